"""The pages for people: turns values into HTML and SVG."""
