"""Drawn stand-ins for product pictures: what a card shows offline, or until the photo is there.

A drawing is a line icon chosen by the words of the *title*, which every shopper can read, on a
background whose hue comes from a hash of it. The module knows nothing of categories or any other
hidden property of a product, so that a drawing tells no more than the page does.
"""

from __future__ import annotations

import functools
import hashlib
import re
from xml.sax.saxutils import escape

__all__ = ["draw", "icon_of"]

# Icon by name: path data on a grid of 24, stroked and not filled.
_PATHS = {
    "shirt": "M8 4 3.5 7l1.8 4L7.5 10v10h9V10l2.2 1 1.8-4L16 4c-1 2.7-7 2.7-8 0z",
    "dress": "M9 3v4l-1 3 1.3 2L6 20.5h12L14.7 12 16 10l-1-3V3M9 7c2 2 4 2 6 0M9.3 12h5.4",
    "trousers": "M7.5 3.5h9l1.5 17h-4.2L12 9l-1.8 11.5H6zM7.2 7h9.6",
    "shoe": "M3 8c2 2 4 1.5 5 0l4.5 5.5c3 .5 8 .5 8.5 4H3zM3 20h18M10.5 13l1.8-1.5",
    "bottle": "M10 3h4v3.5h-4zM9.5 6.5h5c.5 2 2 2.5 2 5v9h-9v-9c0-2.5 1.5-3 2-5zM7.5 13h9v4h-9",
    "brush": "M10.5 11h3l.7 9.5h-4.4zM9.5 8.5h5V11h-5zM9.5 8.5C8.5 6 11 5.5 12 3c1 2.5 3.5 3 "
    "2.5 5.5",
    "jar": "M8 4h8v3H8zM7 7h10c1.5 1.5 1.5 2 1.5 4v7.5c0 1.5-.5 2-2 2h-9c-1.5 "
    "0-2-.5-2-2V11C5.5 9 5.5 8.5 7 7zM5.5 12h13M5.5 17h13",
    "cup": "M5 9h11v6.5c0 3-2 4.5-5.5 4.5S5 18.5 5 15.5zM16 11h1.5c3.5 0 3.5 5-1.5 5M8.5 "
    "3c-1 1.3 1 2 0 3.3M12.5 3c-1 1.3 1 2 0 3.3",
    "lamp": "M8.5 4h7l3 8h-13zM12 12v7.5M8 20.5h8M15.5 12v2.5",
    "chair": "M5 11c-3.5 0-3 4-1 4v3.5h16V15c2 0 2.5-4-1-4-1.5 0-2 1-2 3H7c0-2-.5-3-2-3zM6 "
    "11V7c0-1.5.8-2.5 2.5-2.5h7C17.2 4.5 18 5.5 18 7v4M6 18.5v2M18 18.5v2",
    "table": "M3 7h18v3H3zM5 10v10M19 10v10M5 14.5h14",
    "bed": "M3 6v14M3 17h18M21 20v-5.5c0-1.5-1-2.5-2.5-2.5H3M6 12c0-4 5-4 5 0",
    "picture": "M4 4h16v16H4zM7 7h10v10H7zM7 15l3-3.5 2.5 2.5 1.5-1.5 3 3",
    "plug": "M9 3v5M15 3v5M6.5 8h11v3c0 3.5-2 5.5-5.5 5.5S6.5 14.5 6.5 11zM12 16.5v4.5",
    "screen": "M4 5h16v11H4zM2.5 19.5h19M9 16.2l-.8 3M15 16.2l.8 3",
    "phone": "M8 3h8c1 0 1.5.5 1.5 1.5v15c0 1-.5 1.5-1.5 1.5H8c-1 0-1.5-.5-1.5-1.5v-15C6.5 "
    "3.5 7 3 8 3zM11 18.3h2M10.5 5.5h3",
    "headphones": "M4.5 15v-3c0-10 15-10 15 0v3M4.5 14H8v6H6c-1 0-1.5-.5-1.5-1.5zM19.5 "
    "14H16v6h2c1 0 1.5-.5 1.5-1.5z",
    "speaker": "M7 3h10v18H7zM12 11.5a3.3 3.3 0 1 0 .1 0zM12 5.8a1.2 1.2 0 1 0 .1 0z",
    "camera": "M3.5 7.5H8L9.5 5h5L16 7.5h4.5V19h-17zM12 9.7a3.6 3.6 0 1 0 .1 0z",
    "bag": "M5.5 8h13l1 12.5h-15zM8.5 10.5V7c0-5 7-5 7 0v3.5",
    "tooth": "M7 4c2 0 3 1 5 1s3-1 5-1c4 0 3 6 1.8 8.5C17.5 15 18 20.5 15.5 20.5S14 15 12 "
    "15s-1 5.5-3.5 5.5S6.5 15 5.2 12.5C4 10 3 4 7 4z",
    "gem": "M7 4.5h10l4 5L12 20.5 3 9.5zM3 9.5h18M9 9.5 12 20.5l3-11-3-5z",
    "leaf": "M5 19.5C3 10 9 4.5 20 4.5 20.5 15 14 20.5 5 19.5zM5 19.5C8 14 11 11.5 15 9.5",
    "box": "M4 7.5 12 3.5l8 4v9l-8 4-8-4zM4 7.5l8 4 8-4M12 11.5v9M8 5.5l8 4",
}

# Words of titles by icon; the first word of a title from the right that has an icon decides,
# because English names a thing last.
_WORDS = {
    "shirt": "shirt tshirt tee top blouse sweater sweatshirt hoodie jacket coat polo pullover vest "
    "cardigan tank pajama sleepwear suit blazer tunic henley bra",
    "dress": "dress sundress skirt gown romper jumpsuit bikini swimsuit lingerie nightgown robe",
    "trousers": "pant jean short legging trouser jogger sweatpant underwear brief boxer tight sock",
    "shoe": "shoe sneaker boot sandal slipper loafer heel flat pump flip oxford insole",
    "bottle": "shampoo conditioner lotion serum spray perfume fragrance toner cleanser deodorant "
    "bottle cologne gel wash sanitizer remover essence sauce syrup oil",
    "brush": "brush makeup mascara lipstick comb eyeliner foundation concealer palette blush lip "
    "eyebrow eyelash tattoo razor clipper dryer hair wig extension tweezer nail",
    "jar": "cream mask powder butter balm scrub snack food nut candy cookie chip chocolate protein "
    "seasoning spice jam honey wax moisturizer cracker bar jar bean popcorn cereal",
    "cup": "coffee tea cup mug drink juice milk water soda cocoa espresso",
    "lamp": "lamp light chandelier sconce bulb lighting pendant lantern candle",
    "chair": "chair sofa couch stool ottoman bench loveseat recliner seat futon sectional",
    "table": "table desk shelf cabinet dresser nightstand bookcase shelves sideboard console stand "
    "vanity rack drawer wardrobe",
    "bed": "bed mattress pillow bedding quilt blanket duvet headboard comforter cushion "
    "sheet throw",
    "picture": "art canvas frame poster mirror painting print curtain rug mat backdrop "
    "sticker decal shade drape",
    "plug": "cable charger adapter hdmi usb cord plug power battery converter splitter connector",
    "screen": "laptop monitor tv television computer desktop projector tablet ipad theater dvd "
    "player receiver chromebook",
    "phone": "phone iphone smartphone galaxy case protector remote radio walkie",
    "headphones": "headphone earbud earphone headset earpiece",
    "speaker": "speaker soundbar subwoofer stereo audio",
    "camera": "camera lens tripod webcam camcorder binocular telescope flash",
    "bag": "bag backpack purse tote wallet organizer pouch suitcase basket",
    "tooth": "toothbrush toothpaste teeth tooth oral mouthwash dental floss",
    "gem": "watch bracelet necklace ring earring jewelry strap band",
    "leaf": "plant tree wreath flower garland herb",
}
_ICON_OF_WORD = {word: icon for icon, words in _WORDS.items() for word in words.split()}
_WORD = re.compile(r"[a-z]+")
# What follows these words says what a thing is for, in which colour, or how many there are.
_ASIDE = re.compile(r"[,(|\[]|\s-\s|\b(?:for|with|compatible|in)\b")


def icon_of(title: str) -> str:
    """Name of the icon that suits a title; `box` where no word of it has one.

    Example:
        >>> icon_of("Wooden Coffee Table for Living Room, Brown")
        'table'
    """
    lowered = title.lower()
    head = _ASIDE.split(lowered, maxsplit=1)[0]
    for words in (_WORD.findall(head)[::-1], _WORD.findall(lowered)):
        for word in words:
            icon = _ICON_OF_WORD.get(word) or _ICON_OF_WORD.get(word.removesuffix("s"))
            if icon:
                return icon
    return "box"


@functools.lru_cache(maxsize=4096)
def draw(title: str) -> str:
    """An SVG image for a product, 400 x 400 units; the same title gives the same image.

    The colours suit light and dark pages alike, because an image cannot know which it is on.
    """
    digest = hashlib.sha256(title.encode("utf-8", "replace")).digest()
    hue = int.from_bytes(digest[:2], "big") % 360
    other = (hue + 30 + digest[2] % 40) % 360
    x, y, radius = 60 + digest[3] * 280 // 255, 60 + digest[4] * 280 // 255, 70 + digest[5] // 4
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">'
        f"<title>{escape(_printable(title))}</title>"
        '<defs><linearGradient id="g" x2="1" y2="1">'
        f'<stop stop-color="hsl({hue},42%,90%)"/>'
        f'<stop offset="1" stop-color="hsl({other},38%,80%)"/></linearGradient></defs>'
        '<rect width="400" height="400" fill="url(#g)"/>'
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#fff" fill-opacity=".28"/>'
        f'<circle cx="{400 - x}" cy="{400 - y}" r="{radius // 2}" fill="#fff" fill-opacity=".22"/>'
        '<g transform="translate(104 104) scale(8)" fill="#fff" fill-opacity=".35" '
        f'stroke="hsl({hue},32%,36%)" stroke-width=".9" stroke-linecap="round" '
        f'stroke-linejoin="round"><path d="{_PATHS[icon_of(title)]}"/></g></svg>\n'
    )


def _printable(text: str) -> str:
    """The text without characters that XML does not allow."""
    return "".join(
        character if character.isprintable() and character < "\ufffe" else " " for character in text
    )
