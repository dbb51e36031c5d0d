"""What runs while the images are built, and what starts the webhook's."""
