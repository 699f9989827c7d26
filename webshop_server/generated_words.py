"""Brands, product lines and option values of generated products.

Plain data, written for this package; :mod:`webshop_server.generated_kinds` has the kinds.
Changing or reordering anything changes every generated catalogue: its version has to change too.
"""

from __future__ import annotations

__all__ = ["BRANDS", "SERIES", "VALUES", "words"]


def words(text: str) -> tuple[str, ...]:
    """The parts of a text between commas."""
    return tuple([part.strip() for part in text.split(",")])


BRANDS = (
    words(
        "al,bor,cal,dor,el,fen,gar,hol,is,jun,kel,lor,mar,nor,ol,pel,quin,ros,sel,tam,ul,ver,wil,"
        "yor,zan,bryn,cor,dun,ester,fal,grem,hav"
    ),
    words(
        "ba,ce,di,fo,ga,he,ji,ko,la,mi,no,pe,ra,si,to,va,wi,za,bri,cle,dra,fli,gro,pla,sta,tri,"
        "ven,lin,mo,ne,ru,so"
    ),
    words("ck,dale,ford,hart,lane,mond,nest,ria,sen,ton,vale,wick,wood,well,more,by"),
)
"""Syllables of brand names: first, second, last."""

SERIES = words(
    "Alder,Beacon,Cedar,Drift,Ember,Fable,Garnet,Harbor,Iris,Juniper,Kestrel,Lark,Meadow,Nimbus,"
    "Orchard,Prairie,Quarry,Ridge,Summit,Thistle,Umber,Valley,Willow,Yarrow,Zephyr,Aurora,Breeze,"
    "Comet,Dune,Echo,Fern,Glacier,Haven,Indigo,Jade,Lagoon,Maple,North,Opal,Pioneer"
)
"""Names of product lines."""

VALUES = {
    "color": words(
        "black,white,navy blue,charcoal grey,sage green,dusty rose,burgundy,mustard yellow,teal,"
        "light blue,dark green,ivory,lavender,coral,rust orange,royal blue,olive,blush pink,"
        "chocolate brown,silver,sand,wine red,mint green,deep purple"
    ),
    "finish": words(
        "matte black,brushed nickel,walnut,natural oak,antique brass,chalk white,espresso,"
        "weathered grey,polished chrome,honey pine,dark cherry,bronze"
    ),
    "pattern": words(
        "solid,striped,plaid,floral,geometric,polka dot,leaf print,herringbone,paisley,gingham"
    ),
    "clothing size": words("x-small,small,medium,large,x-large,xx-large,3x-large,4x-large"),
    "shoe size": words("5,5.5,6,6.5,7,7.5,8,8.5,9,9.5,10,10.5,11,12,13"),
    "width": words("narrow,regular width,wide,extra wide"),
    "bed size": words("twin,twin xl,full,queen,king,california king"),
    "blanket size": words("30 x 40 inch,40 x 50 inch,50 x 60 inch,60 x 80 inch,90 x 90 inch"),
    "cushion size": words("12 x 20 inch,16 x 16 inch,18 x 18 inch,20 x 20 inch,24 x 24 inch"),
    "rug size": words("2 x 3 ft,3 x 5 ft,4 x 6 ft,5 x 7 ft,8 x 10 ft,9 x 12 ft,2 x 8 ft runner"),
    "curtain size": words(
        "42 x 63 inch,52 x 63 inch,52 x 84 inch,52 x 95 inch,52 x 108 inch,84 x 84 inch"
    ),
    "table size": words("30 inch,36 inch,42 inch,48 inch,55 inch,60 inch"),
    "shelf size": words("2 tier,3 tier,4 tier,5 tier,6 tier"),
    "frame size": words("4 x 6 inch,5 x 7 inch,8 x 10 inch,11 x 14 inch,16 x 20 inch"),
    "volume": words("1.7 fl oz,3.4 fl oz,6.8 fl oz,8.5 fl oz,12 fl oz,16.9 fl oz,33.8 fl oz"),
    "weight": words("4 ounce,6 ounce,8 ounce,12 ounce,1 pound,2 pound,5 pound"),
    "pack": words("pack of 1,pack of 2,pack of 3,pack of 4,pack of 6,pack of 8,pack of 12"),
    "scent": words(
        "unscented,lavender fields,citrus grove,fresh linen,coconut,vanilla bean,rosemary mint,"
        "cedar bark,green tea,eucalyptus,wild berry,ocean air"
    ),
    "snack flavor": words(
        "sea salt,smoky barbecue,sour cream and onion,chili lime,white cheddar,honey mustard,"
        "garlic herb,salt and vinegar,sweet heat,maple,cinnamon sugar,dark chocolate"
    ),
    "drink flavor": words(
        "original,vanilla,hazelnut,caramel,licorice,lemon ginger,peach,raspberry,mango,"
        "hibiscus,chai spice,blood orange"
    ),
    "sauce flavor": words(
        "mild,medium heat,hot,extra hot,roasted garlic,mango habanero,smoked chipotle,tomato basil"
    ),
    "shade": words(
        "porcelain,light beige,warm beige,warm sand,honey,caramel tan,chestnut,deep cocoa,"
        "brick,berry,nude pink,classic red"
    ),
    "hair length": words("10 inch,12 inch,14 inch,16 inch,18 inch,20 inch,22 inch,24 inch"),
    "cable length": words("1 ft,3 ft,6 ft,10 ft,15 ft,25 ft,50 ft"),
    "capacity": words("32 gb,64 gb,128 gb,256 gb,512 gb,1 tb"),
    "phone": words("phone 11,phone 12,phone 13,phone 13 pro,phone 14,phone 14 plus,phone 15"),
    "screen size": words("10.1 inch,11.6 inch,13.3 inch,14 inch,15.6 inch,17.3 inch"),
    "band size": words("38 mm,40 mm,41 mm,42 mm,44 mm,45 mm,49 mm"),
    "plug": words("us plug,uk plug,eu plug,au plug"),
    "fit": words("slim fit,relaxed fit,classic fit,loose fit,athletic fit"),
    "length": words("petite,regular length,tall,cropped,ankle length"),
    "style": words("modern,vintage,farmhouse,industrial,coastal,minimalist,bohemian"),
    "edition": words("basic,plus,deluxe,travel set,gift set"),
}
"""Values of product options, in the order in which a shop lists them."""
