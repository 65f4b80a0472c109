"""What was read, in the formats that other programs take: text, TSV, hOCR, ALTO, searchable PDF."""

from saccade.documents.alto import to_alto
from saccade.documents.hocr import to_hocr
from saccade.documents.pdf import write_pdf
from saccade.documents.text import to_text
from saccade.documents.tsv import to_tsv

__all__ = ["to_alto", "to_hocr", "to_text", "to_tsv", "write_pdf"]
