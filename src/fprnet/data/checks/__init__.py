"""What can be wrong with the folders and lists of each layout, apart from the images themselves."""
