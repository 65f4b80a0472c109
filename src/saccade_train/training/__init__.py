"""The training loop on Lightning Fabric, and its parts."""
