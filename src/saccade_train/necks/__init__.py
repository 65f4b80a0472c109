"""Necks: what joins the maps of a backbone before a head."""
