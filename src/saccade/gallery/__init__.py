"""The living gallery: labelled vectors in a folder, and what is most similar to a picture."""

from saccade.gallery.checking import Checked, check, stats
from saccade.gallery.gallery import Gallery
from saccade.gallery.items import Added, Found, Item, NewItem, Renamed
from saccade.gallery.lists import labelled_list
from saccade.gallery.pictures import (
    AddReport,
    Picture,
    PictureEmbedder,
    Pictures,
    add_pictures,
    content_hash,
    create_gallery,
    labelled_folder,
    with_label,
)
from saccade.gallery.reembedding import Reembedded, reembed
from saccade.gallery.refined import search_refined
from saccade.gallery.transfer import export_gallery, import_gallery

__all__ = [
    "AddReport",
    "Added",
    "Checked",
    "Found",
    "Gallery",
    "Item",
    "NewItem",
    "Picture",
    "PictureEmbedder",
    "Pictures",
    "Reembedded",
    "Renamed",
    "add_pictures",
    "check",
    "content_hash",
    "create_gallery",
    "export_gallery",
    "import_gallery",
    "labelled_folder",
    "labelled_list",
    "reembed",
    "search_refined",
    "stats",
    "with_label",
]
