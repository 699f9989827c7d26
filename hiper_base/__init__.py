"""What every package here stands on: errors, data folders, atomic files. It imports none of them."""
