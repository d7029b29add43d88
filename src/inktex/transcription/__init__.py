"""Reading any number of pictures into a table, with several processes, however often stopped."""
