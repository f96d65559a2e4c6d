"""The pages for people: values in, HTML and SVG out."""
