"""One exchange over HTTP, in five phases."""
