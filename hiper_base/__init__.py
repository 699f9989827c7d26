"""What every package here stands on: errors, data folders, atomic files. Imports none of them."""
