"""Speed and memory of inktex beside other systems, and how they grow."""
