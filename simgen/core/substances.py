"""What things are made of: one table of densities and contact values for every asset, built-in or scanned.

Bullet multiplies the friction and the restitution of the two bodies of a pair. A value here is therefore the
square root of what a substance shows against itself, adjusted until the products of common pairs fall inside
the ranges of engineering handbooks (dry, clean, kinetic):

    wood on wood        0.65 x 0.65 = 0.42   handbooks 0.25 - 0.5
    ceramic on wood     0.55 x 0.65 = 0.36   0.3 - 0.4, as glass or stone on wood
    metal on wood       0.55 x 0.65 = 0.36   0.2 - 0.6
    plastic on wood     0.55 x 0.65 = 0.36   0.3 - 0.4 (ABS, polypropylene)
    paper on wood       0.60 x 0.65 = 0.39   0.3 - 0.5 (card on board)
    rubber on concrete  1.00 x 0.80 = 0.80   0.6 - 0.85
    glass on glass      0.45 x 0.45 = 0.20   0.2 lightly handled, 0.4 clean

Restitution is that of a compact body at 1 to 3 m/s: a superball on stone 0.72, a steel ball on a stone floor
0.60, a wooden ball on wood 0.42, a mug on a table 0.39, a carton on a table 0.20.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Substance:
    """Bulk and contact values; friction and restitution are one body's factor of the pair's product."""

    density_kgpm3: float
    """Of the solid material."""
    scanned_density_kgpm3: float
    """Mass per volume of a scan's outer surface: scans close over cavities, and most things are shells."""
    friction: float
    restitution: float
    liquid: bool = False
    """It carries nothing: what is solid goes through it."""


SUBSTANCES: dict[str, Substance] = {
    # Stoneware 2200 - 2500. A scan shows both sides of a mug's wall, so little air is closed in.
    "ceramic": Substance(density_kgpm3=2300.0, scanned_density_kgpm3=1900.0, friction=0.55, restitution=0.6),
    # Beech and oak near 700, pine 500. Scanned wooden toys are solid but drilled and jointed.
    "wood": Substance(density_kgpm3=680.0, scanned_density_kgpm3=600.0, friction=0.65, restitution=0.65),
    # Mild steel 7850. A scanned tool is part handle, a tin or a bell is a shell.
    "metal": Substance(density_kgpm3=7850.0, scanned_density_kgpm3=3000.0, friction=0.55, restitution=0.75),
    # Soda-lime glass.
    "glass": Substance(density_kgpm3=2500.0, scanned_density_kgpm3=1500.0, friction=0.45, restitution=0.75),
    # Polypropylene 900, ABS 1050, PVC 1300. Moulded toys have 2 - 3 mm walls around air: a 12 cm animal
    # figure weighs 100 - 200 g at 250 - 400 cm³.
    "plastic": Substance(density_kgpm3=1050.0, scanned_density_kgpm3=450.0, friction=0.55, restitution=0.65),
    # Natural rubber 930 - 1150, filled grades more; squeeze toys are hollow.
    "rubber": Substance(density_kgpm3=1100.0, scanned_density_kgpm3=700.0, friction=1.0, restitution=0.9),
    # Coated book paper 800, corrugated board 150. A scanned carton holds its goods loosely.
    "paper": Substance(density_kgpm3=800.0, scanned_density_kgpm3=300.0, friction=0.6, restitution=0.3),
    # Closed-cell EVA 100 - 200 (a foam figure, a shoe's sole).
    "foam": Substance(density_kgpm3=120.0, scanned_density_kgpm3=150.0, friction=0.8, restitution=0.45),
    # Stuffed toys 80 - 150, a shoe with its upper and sole 200 - 300 over its outer surface.
    "fabric": Substance(density_kgpm3=400.0, scanned_density_kgpm3=180.0, friction=0.75, restitution=0.2),
    # Granite, marble, slate 2600 - 2800.
    "stone": Substance(density_kgpm3=2700.0, scanned_density_kgpm3=2600.0, friction=0.65, restitution=0.8),
    "concrete": Substance(density_kgpm3=2300.0, scanned_density_kgpm3=2200.0, friction=0.8, restitution=0.7),
    # Paraffin 900; it dents rather than bounces.
    "wax": Substance(density_kgpm3=900.0, scanned_density_kgpm3=880.0, friction=0.6, restitution=0.3),
    # Milled soap 1050, dry; wet it would be a tenth of this friction.
    "soap": Substance(density_kgpm3=1050.0, scanned_density_kgpm3=1050.0, friction=0.45, restitution=0.3),
    # Of models that change. Ice at 0 °C 917 (CRC Handbook); water 998 at 20 °C; butter 911; bread 270; soil 1300 loose;
    # green stems and leaves about 700, fruit flesh 950, gelatine 1030, natural rubber above.
    "ice": Substance(density_kgpm3=917.0, scanned_density_kgpm3=917.0, friction=0.1, restitution=0.3),
    "water": Substance(density_kgpm3=998.0, scanned_density_kgpm3=998.0, friction=0.0, restitution=0.0, liquid=True),
    # Wall paint 1200 - 1500.
    "paint": Substance(density_kgpm3=1300.0, scanned_density_kgpm3=1300.0, friction=0.0, restitution=0.0, liquid=True),
    "butter": Substance(density_kgpm3=911.0, scanned_density_kgpm3=911.0, friction=0.3, restitution=0.1),
    "bread": Substance(density_kgpm3=270.0, scanned_density_kgpm3=270.0, friction=0.6, restitution=0.2),
    "soil": Substance(density_kgpm3=1300.0, scanned_density_kgpm3=1300.0, friction=0.8, restitution=0.1),
    "plant": Substance(density_kgpm3=700.0, scanned_density_kgpm3=700.0, friction=0.5, restitution=0.2),
    "fruit": Substance(density_kgpm3=950.0, scanned_density_kgpm3=950.0, friction=0.5, restitution=0.3),
    # Hard cheese 1050 - 1150. Pumpkins and bell peppers are shells around air: a pepper of 350 cm³ weighs 190 g.
    "cheese": Substance(density_kgpm3=1080.0, scanned_density_kgpm3=1080.0, friction=0.5, restitution=0.2),
    "hollow fruit": Substance(density_kgpm3=550.0, scanned_density_kgpm3=550.0, friction=0.5, restitution=0.3),
    # Earthenware at 2000 and moist potting mix at 1000, about one part to three.
    "filled pot": Substance(density_kgpm3=1250.0, scanned_density_kgpm3=1250.0, friction=0.5, restitution=0.2),
    # Fired clay 1700 - 2000 with its pores; set gypsum plaster 1100 - 1300.
    "brick": Substance(density_kgpm3=1900.0, scanned_density_kgpm3=1900.0, friction=0.7, restitution=0.5),
    "terracotta": Substance(density_kgpm3=1950.0, scanned_density_kgpm3=1950.0, friction=0.6, restitution=0.5),
    "plaster": Substance(density_kgpm3=1200.0, scanned_density_kgpm3=1200.0, friction=0.6, restitution=0.4),
    # Red oak at 12 % moisture 630 - 700 (Wood Handbook, FPL).
    "oak": Substance(density_kgpm3=650.0, scanned_density_kgpm3=600.0, friction=0.65, restitution=0.65),
    # Metals that are not steel (CRC Handbook); to the touch they are metal.
    "bronze": Substance(density_kgpm3=8800.0, scanned_density_kgpm3=3300.0, friction=0.55, restitution=0.75),
    "copper": Substance(density_kgpm3=8900.0, scanned_density_kgpm3=3300.0, friction=0.55, restitution=0.75),
    "brass": Substance(density_kgpm3=8500.0, scanned_density_kgpm3=3200.0, friction=0.55, restitution=0.75),
    "aluminium": Substance(density_kgpm3=2700.0, scanned_density_kgpm3=1100.0, friction=0.55, restitution=0.7),
    # A dry coat 1200 - 1600; wet paint, which carries nothing, is above.
    "dry paint": Substance(density_kgpm3=1300.0, scanned_density_kgpm3=1300.0, friction=0.55, restitution=0.4),
    # A mat of moss or mould holds far more air and water than fibre.
    "moss": Substance(density_kgpm3=200.0, scanned_density_kgpm3=200.0, friction=0.7, restitution=0.1),
    "mold": Substance(density_kgpm3=100.0, scanned_density_kgpm3=100.0, friction=0.5, restitution=0.1),
    "jelly": Substance(density_kgpm3=1030.0, scanned_density_kgpm3=1030.0, friction=0.5, restitution=0.1),
    # Chocolate 1240 - 1330, beeswax 960, soft cheese 1050, ice cream with its air 550; a soft natural rubber without
    # fillers; plasticine and potter's clay 1700; marshmallow 350; a bath sponge of polyurethane foam 20 - 60.
    "chocolate": Substance(density_kgpm3=1250.0, scanned_density_kgpm3=1250.0, friction=0.3, restitution=0.1),
    "beeswax": Substance(density_kgpm3=960.0, scanned_density_kgpm3=960.0, friction=0.6, restitution=0.3),
    "soft cheese": Substance(density_kgpm3=1050.0, scanned_density_kgpm3=1050.0, friction=0.3, restitution=0.1),
    "ice cream": Substance(density_kgpm3=550.0, scanned_density_kgpm3=550.0, friction=0.3, restitution=0.1),
    "soft rubber": Substance(density_kgpm3=1000.0, scanned_density_kgpm3=1000.0, friction=1.0, restitution=0.9),
    "modelling clay": Substance(density_kgpm3=1700.0, scanned_density_kgpm3=1700.0, friction=0.6, restitution=0.1),
    "marshmallow": Substance(density_kgpm3=350.0, scanned_density_kgpm3=350.0, friction=0.8, restitution=0.3),
    "sponge": Substance(density_kgpm3=40.0, scanned_density_kgpm3=40.0, friction=0.8, restitution=0.3),
    # Grey cast iron 7100 - 7300; fireclay brick 1900 - 2300; polyethylene foam 20 - 45.
    "cast iron": Substance(density_kgpm3=7200.0, scanned_density_kgpm3=3000.0, friction=0.55, restitution=0.75),
    "firebrick": Substance(density_kgpm3=2000.0, scanned_density_kgpm3=2000.0, friction=0.65, restitution=0.5),
    "polyethylene foam": Substance(density_kgpm3=30.0, scanned_density_kgpm3=30.0, friction=0.8, restitution=0.45),
}
