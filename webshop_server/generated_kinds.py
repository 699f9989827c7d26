"""The kinds of products that a generated catalogue has, and what is said of them.

Plain data, written for this package. Changing or reordering anything changes every generated
catalogue: its version has to change too.
"""

from __future__ import annotations

from typing import NamedTuple

from webshop_server.generated_words import words

__all__ = ["KINDS", "Kind"]


class Kind(NamedTuple):
    """A kind of product.

    Attributes:
        category: Department.
        path: Product category, its levels as upstream joins them.
        query: Under which its products are found, in the plural.
        nouns: What a title may call it.
        is_a: Attributes that stand before the noun, such as `machine washable`.
        comes_with: Attributes that follow `with`.
        made_for: Attributes that follow `for`.
        options: Product options: name and key of `generated_words.VALUES`.
        price: Lowest and highest price in dollars.
    """

    category: str
    path: str
    query: str
    nouns: tuple[str, ...]
    is_a: tuple[str, ...]
    comes_with: tuple[str, ...]
    made_for: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    price: tuple[int, int]


_LEVEL = " \u203a "

_COLOR = ("color", "color")
_CLOTHING_SIZE = ("size", "clothing size")
_SHOE_SIZE = ("size", "shoe size")
_SCENT = ("scent", "scent")
_PACK = ("number of items", "pack")
_VOLUME = ("size", "volume")
_WEIGHT = ("size", "weight")
_EDITION = ("style", "edition")
_STYLE = ("style", "style")

_WASHABLE = "machine washable,hand wash,easy care,fade resistant,wrinkle free,double sided"
_SKIN = "cruelty free,paraben free,fragrance free,dermatologist tested,alcohol free,non toxic"
_FOOD = "gluten free,dairy free,non gmo,sugar free,low sodium,plant based,soy free,kosher"
_DEVICE = "high speed,easy install,heavy duty,plug and play,light weight,fast charging"
_WEAR = "machine wash,quick drying,light weight,wash cold,stretchy,moisture wicking"
_HOME = "easy assemble,space saving,heavy duty,easy clean,ready hang,assembly required"
_WOMEN = "Clothing, Shoes & Jewelry > Women"
_MEN = "Clothing, Shoes & Jewelry > Men"


def _kind(
    category: str,
    path: str,
    query: str,
    nouns: str,
    is_a: str,
    comes_with: str,
    made_for: str,
    price: tuple[int, int],
    *options: tuple[str, str],
) -> Kind:
    return Kind(
        category,
        path.replace(" > ", _LEVEL),
        query,
        words(nouns),
        words(is_a),
        words(comes_with),
        words(made_for),
        options,
        price,
    )


_GARDEN = (
    _kind(
        "garden", "Home & Kitchen > Bedding > Blankets & Throws > Throws", "throw blankets",
        "Throw Blanket,Sofa Throw,Blanket", f"super soft,{_WASHABLE}",
        "tassel fringe,sherpa lining,ribbed texture", "living room,dining room,cold nights",
        (15, 90), _COLOR, ("size", "blanket size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Bedding > Decorative Pillows,"
        " Inserts & Covers > Cushion Covers",
        "cushion covers", "Cushion Cover,Pillow Cover,Throw Pillow Case", f"super soft,{_WASHABLE}",
        "hidden zipper,piped edges,velvet front", "living room,garden bench,window seat",
        (8, 40), _COLOR, ("size", "cushion size"), ("pattern name", "pattern"),
    ),
    _kind(
        "garden", "Home & Kitchen > Bedding > Duvet Covers & Sets > Duvet Cover Sets",
        "duvet cover sets", "Duvet Cover Set,Comforter Cover Set", f"queen size,{_WASHABLE}",
        "corner ties,button closure,pillow shams", "guest room,all seasons,sensitive sleepers",
        (25, 140), _COLOR, ("size", "bed size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Home Décor Products > Area Rugs, Runners & Pads > Area Rugs",
        "area rugs", "Area Rug,Floor Rug,Carpet Rug",
        "non slip,stain resistant,low pile,easy clean,"
        "spot clean,pet friendly", "rubber backing,bound edges,jute weave",
        "living room,dining room,home office", (30, 400), _COLOR, ("size", "rug size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Home Décor Products > Window Treatments > Curtains & Drapes",
        "blackout curtains", "Blackout Curtains,Window Curtain Panels,Drapes",
        f"energy efficient,noise reducing,{_WASHABLE}", "grommet top,rod pocket,thermal lining",
        "living room,kids room,home theater", (18, 95), _COLOR, ("size", "curtain size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Furniture > Living Room Furniture > Tables > Coffee Tables",
        "coffee tables", "Coffee Table,Cocktail Table,Sofa Table", f"mid century,{_HOME}",
        "storage shelf,steel legs,tempered glass,solid wood",
        "living room,small spaces,home office",
        (70, 520), ("color", "finish"), ("size", "table size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Furniture > Home Office Furniture > Bookcases", "bookcases",
        "Bookcase,Bookshelf,Display Shelf", f"wall mounted,{_HOME}",
        "metal frame,adjustable shelves,engineered wood", "living room,study corner,narrow halls",
        (45, 320), ("color", "finish"), ("size", "shelf size"),
    ),
    _kind(
        "garden", "Home & Kitchen > Furniture > Dining Room Furniture > Chairs", "dining chairs",
        "Dining Chair,Side Chair,Kitchen Chair", f"mid century,stackable,{_HOME}",
        "faux leather,wood frame,lumbar support", "dining room,breakfast nook,reception area",
        (45, 280), _COLOR, ("style", "style"),
    ),
    _kind(
        "garden", "Home & Kitchen > Home Décor Products > Picture Frames", "picture frames",
        "Picture Frame,Photo Frame,Poster Frame",
        "ready hang,shatter proof,easy clean,light weight",
        "wide mat,easel back,clear glass,solid wood", "living room,gallery wall,desk display",
        (9, 75), ("color", "finish"), ("size", "frame size"),
    ),
    _kind(
        "garden", "Tools & Home Improvement > Lighting > Lamps & Shades > Table Lamps",
        "table lamps", "Table Lamp,Bedside Lamp,Desk Lamp",
        "energy efficient,easy install,dimmable,"
        "touch control,eye friendly", "usb port,linen shade,glass shade,brass base",
        "living room,reading corner,night stand", (20, 160), ("color", "finish"), _STYLE,
    ),
)  # fmt: skip

_BEAUTY = (
    _kind(
        "beauty", "Beauty & Personal Care > Skin Care > Face > Creams & Moisturizers",
        "face moisturizers", "Face Moisturizer,Face Cream,Hydrating Cream",
        f"oil free,anti aging,{_SKIN}", "hyaluronic acid,vitamin c,shea butter,green tea",
        "dry skin,sensitive skin,fine lines", (9, 80), _SCENT, _VOLUME,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Skin Care > Body > Scrubs", "body scrubs",
        "Body Scrub,Exfoliating Scrub,Sugar Scrub", f"sulfate free,{_SKIN}",
        "sea salt,coconut oil,natural ingredients", "dead skin,dry skin,rough elbows",
        (8, 45), _SCENT, _WEIGHT,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Hair Care > Shampoo & Conditioner > Shampoos",
        "shampoos", "Shampoo,Hair Shampoo,Cleansing Shampoo",
        f"sulfate free,color safe,{_SKIN}", "argan oil,tea tree,biotin,keratin",
        "damaged hair,oily scalp,hair growth", (7, 42), _SCENT, _VOLUME,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Hair Care > Extensions,"
        " Wigs & Accessories > Extensions",
        "hair extensions", "Hair Extensions,Clip In Hairpiece,Hair Weft",
        "heat resistant,natural looking,tangle free,double drawn,easy apply",
        "hidden clips,silicone beads,soft lace", "thin hair,hair salon,daily styling",
        (15, 180), _COLOR, ("size", "hair length"),
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Makeup > Lips > Lipsticks", "lipsticks",
        "Lipstick,Liquid Lipstick,Lip Color", f"long lasting,highly pigmented,{_SKIN}",
        "matte finish,vitamin e,jojoba oil", "dry lips,everyday wear,evening looks",
        (5, 38), ("color", "shade"), _PACK,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Makeup > Face > Foundation", "foundations",
        "Foundation,Liquid Foundation,Foundation Makeup",
        f"long lasting,full coverage,oil free,{_SKIN}", "matte finish,sun protection,green tea",
        "oily skin,dark circles,uneven tone", (8, 55), ("color", "shade"), _EDITION,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Oral Care > Toothbrushes & Accessories", "toothbrushes",
        "Toothbrush,Bamboo Toothbrush,Soft Toothbrush",
        "bpa free,eco friendly,soft bristle,easy use,"
        "teeth whitening", "storage case,tongue cleaner,charcoal bristles",
        "sensitive teeth,oral hygiene,bad breath", (4, 32), _COLOR, _PACK,
    ),
    _kind(
        "beauty", "Beauty & Personal Care > Tools & Accessories > Refillable Containers",
        "travel bottles", "Travel Bottle,Refillable Bottle,Toiletry Container",
        "leak proof,bpa free,travel size,easy clean,easy carry,non toxic",
        "wide mouth,pump cap,clear bag", "carry on,gym bag,liquid soap",
        (6, 30), _COLOR, ("size", "volume"), _PACK,
    ),
)  # fmt: skip

_GROCERY = (
    _kind(
        "grocery", "Grocery & Gourmet Food > Snack Foods > Chips & Crisps", "vegetable chips",
        "Vegetable Chips,Veggie Crisps,Baked Chips", f"oven baked,low calorie,{_FOOD}",
        "sea salt,real vegetables,avocado oil", "school lunches,movie nights,office snacks",
        (5, 48), ("flavor name", "snack flavor"), _PACK,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Snack Foods > Nuts & Seeds > Mixed Nuts", "mixed nuts",
        "Mixed Nuts,Roasted Nuts,Nut Mix", f"dry roasted,protein rich,{_FOOD}",
        "resealable bag,whole cashews,natural ingredients",
        "trail hikes,gift baskets,office snacks",
        (7, 60), ("flavor name", "snack flavor"), _WEIGHT,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Beverages > Coffee > Ground Coffee", "ground coffee",
        "Ground Coffee,Coffee Grounds,Roasted Coffee", "medium roast,dark roast,fair trade,"
        "caffeine free,certified organic,small batch,low acid", "resealable bag,whole bean aroma,"
        "artificial flavors", "cold brew,french press,drip machines",
        (8, 55), ("flavor name", "drink flavor"), _WEIGHT,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Beverages > Tea > Herbal", "herbal teas",
        "Herbal Tea,Herb Tea Bags,Loose Leaf Tea", f"caffeine free,certified organic,{_FOOD}",
        "pyramid bags,dried flowers,natural flavors", "sleepless nights,sore throats,iced tea",
        (5, 40), ("flavor name", "drink flavor"), _PACK,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Condiments > Sauces > Hot Sauce", "hot sauces",
        "Hot Sauce,Pepper Sauce,Chili Sauce", f"small batch,ready eat,{_FOOD}",
        "glass bottle,aged peppers,natural ingredients", "taco nights,chicken wings,gift baskets",
        (4, 42), ("flavor name", "sauce flavor"), _PACK,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Breakfast Foods > Granola & Muesli", "granolas",
        "Granola,Muesli,Oat Granola", f"whole grain,high fiber,{_FOOD}",
        "dried fruit,chia seeds,maple syrup", "busy mornings,yogurt bowls,camping trips",
        (6, 45), ("flavor name", "snack flavor"), _WEIGHT,
    ),
    _kind(
        "grocery", "Grocery & Gourmet Food > Snack Foods > Bars > Protein Bars", "protein bars",
        "Protein Bar,Nutrition Bar,Snack Bar", f"high protein,low carb,keto friendly,{_FOOD}",
        "almond butter,natural ingredients,dark chocolate chips",
        "post workout,long drives,school lunches", (9, 60), ("flavor name", "snack flavor"), _PACK,
    ),
)  # fmt: skip

_ELECTRONICS = (
    _kind(
        "electronics", "Electronics > Headphones > Earbud Headphones", "wireless earbuds",
        "Wireless Earbuds,Bluetooth Earphones,Earbud Headphones",
        f"noise cancelling,water resistant,hands free,{_DEVICE}",
        "stereo sound,charging case,wireless bluetooth,long battery life",
        "running,phone calls,small ears", (15, 190), _COLOR, _EDITION,
    ),
    _kind(
        "electronics", "Electronics > Portable Audio & Video > Portable Speakers",
        "portable speakers", "Portable Speaker,Bluetooth Speaker,Outdoor Speaker",
        f"water resistant,shock proof,{_DEVICE}",
        "stereo sound,carry strap,built in microphone,wireless bluetooth",
        "pool parties,camping trips,home office", (18, 230), _COLOR, _EDITION,
    ),
    _kind(
        "electronics", "Electronics > Computers & Accessories > Cables > USB Cables",
        "usb c cables",
        "USB C Cable,Charging Cable,Charger Cord", f"tangle free,gold plated,{_DEVICE}",
        "aluminum alloy,nylon braid,cable tie", "car chargers,tablet docks,bedside use",
        (5, 35), _COLOR, ("size", "cable length"), _PACK,
    ),
    _kind(
        "electronics", "Cell Phones & Accessories > Cases, Holsters & Sleeves > Basic Cases",
        "phone cases", "Phone Case,Protective Phone Cover,Bumper Case",
        "shock proof,dust proof,anti scratch,non slip,wireless charging",
        "raised edges,tempered glass,card slot,ring holder", "daily drops,outdoor sports,desk use",
        (7, 48), _COLOR, ("size", "phone"),
    ),
    _kind(
        "electronics", "Electronics > Computers & Accessories > Laptop Accessories > Sleeves",
        "laptop sleeves", "Laptop Sleeve,Notebook Bag,Computer Case",
        "water resistant,shock proof,light weight,slim profile,scratch proof",
        "carrying case,front pocket,fleece lining,shoulder strap",
        "business trips,school days,daily commute", (10, 60), _COLOR, ("size", "screen size"),
    ),
    _kind(
        "electronics", "Electronics > Wearable Technology > Smartwatch Accessories > Bands",
        "smart watch bands", "Smart Watch Band,Watch Strap,Wristband",
        "quick release,water resistant,sweat proof,easy install,skin friendly",
        "stainless steel,magnetic clasp,soft silicone", "gym sessions,office days,small wrists",
        (6, 50), _COLOR, ("size", "band size"),
    ),
    _kind(
        "electronics", "Electronics > Computers & Accessories > Data Storage > USB Flash Drives",
        "flash drives", "USB Flash Drive,Memory Stick,Thumb Drive",
        f"usb 3.0,water resistant,{_DEVICE}", "metal case,key ring,retractable cap",
        "photo backup,school work,car audio", (6, 130), _COLOR, ("size", "capacity"),
    ),
    _kind(
        "electronics", "Electronics > Security & Surveillance > Surveillance Cameras",
        "security cameras", "Security Camera,Surveillance Camera,Indoor Camera",
        f"1080p hd,weather proof,{_DEVICE}", "motion detection,night vision,two way audio",
        "front door,baby room,small shops", (22, 260), ("color", "finish"), ("style", "plug"),
    ),
)  # fmt: skip

_FASHION = (
    _kind(
        "fashion", f"{_WOMEN} > Clothing > Dresses > Casual", "women's dresses",
        "Women's Dress,Midi Dress,Sundress", f"hand washable,relaxed cut,{_WEAR}",
        "short sleeve,long sleeve,side pockets,elastic waist,v neck",
        "summer parties,daily wear,beach holidays", (18, 95), _COLOR, _CLOTHING_SIZE,
    ),
    _kind(
        "fashion", f"{_WOMEN} > Clothing > Active > Leggings", "women's leggings",
        "Women's Leggings,Yoga Pants,Workout Tights", f"butt lifting,squat proof,{_WEAR}",
        "tummy control,high waist,side pockets,mesh panels", "gym workout,hot yoga,daily wear",
        (12, 75), _COLOR, _CLOTHING_SIZE, ("length", "length"),
    ),
    _kind(
        "fashion", f"{_WOMEN} > Shoes > Sandals > Flats", "women's sandals",
        "Women's Sandals,Flat Sandals,Slip On Sandals",
        "non slip,light weight,water proof,open toe,"
        "slip resistant", "arch support,memory foam,ankle strap,rubber sole",
        "beach walks,daily wear,wide feet", (14, 110), _COLOR, _SHOE_SIZE, ("width", "width"),
    ),
    _kind(
        "fashion", f"{_MEN} > Clothing > Shirts > T-Shirts", "men's t-shirts",
        "Men's T-Shirt,Crew Neck Tee,Graphic Tee", f"pre shrunk,tag free,{_WEAR}",
        "crew neck,long sleeve,chest pocket,polyester spandex",
        "gym workout,daily wear,work shifts",
        (9, 50), _COLOR, _CLOTHING_SIZE, ("fit type", "fit"),
    ),
    _kind(
        "fashion", f"{_MEN} > Clothing > Jackets & Coats", "men's jackets",
        "Men's Jacket,Bomber Jacket,Windbreaker", f"water resistant,wind proof,{_WEAR}",
        "faux fur,zipper closure,inner pockets,detachable hood",
        "winter hikes,city walks,ski trips",
        (28, 210), _COLOR, _CLOTHING_SIZE,
    ),
    _kind(
        "fashion", f"{_MEN} > Shoes > Fashion Sneakers", "men's sneakers",
        "Men's Sneakers,Walking Shoes,Trainers", "non slip,light weight,slip resistant,anti slip,"
        "shock absorbing", "arch support,memory foam,rubber outsole,lace closure",
        "long shifts,daily wear,road running", (24, 160), _COLOR, _SHOE_SIZE, ("width", "width"),
    ),
    _kind(
        "fashion", f"{_WOMEN} > Handbags & Wallets > Tote Bags", "tote bags",
        "Tote Bag,Shoulder Bag,Shopper Bag",
        "hand washable,water resistant,light weight,eco friendly,"
        "extra large", "vegan leather,cotton canvas,zip pocket,laptop pocket",
        "grocery runs,beach holidays,daily commute", (14, 130), _COLOR, _STYLE,
    ),
)  # fmt: skip

KINDS = (*_GARDEN, *_BEAUTY, *_GROCERY, *_ELECTRONICS, *_FASHION)
"""All kinds of products; a catalogue holds about equally many of each."""
