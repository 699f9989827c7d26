"""WebShop: shopping tasks in an online shop of real products."""
