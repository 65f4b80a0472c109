"""The living gallery: labelled vectors in a folder, and what is most similar to a picture."""

from saccade.gallery.gallery import Added, Found, Gallery, NewItem
from saccade.gallery.pictures import (
    AddReport,
    Picture,
    PictureEmbedder,
    Pictures,
    add_pictures,
    content_hash,
    create_gallery,
    labelled_folder,
    labelled_list,
    with_label,
)
from saccade.gallery.store import Item

__all__ = [
    "AddReport",
    "Added",
    "Found",
    "Gallery",
    "Item",
    "NewItem",
    "Picture",
    "PictureEmbedder",
    "Pictures",
    "add_pictures",
    "content_hash",
    "create_gallery",
    "labelled_folder",
    "labelled_list",
    "with_label",
]
