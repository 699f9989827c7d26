"""How the compact agent reads WebShop: memory, options, query words, encoding."""
