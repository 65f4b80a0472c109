"""Everyday words, written down for this toolkit: nothing is downloaded.

Six languages, so that accents come where they belong, and the vocabulary of shops. They are also
what the pseudo-words are modelled on.
"""

from __future__ import annotations

__all__ = ["FAMILY_NAMES", "GIVEN_NAMES", "PLACES", "SHOP_WORDS", "STREETS", "WORDS"]

_ENGLISH = """
a able about above across act action after again against age ago agree air all almost along already
also although always among amount an and animal another answer any apple arm around arrive art as
ask at autumn away back bad bag ball bank be beach bear beautiful because become bed been before
began behind believe below best better between big bird black blood blue board boat body book born
both bottom bought box boy branch bread break bridge bright bring broken brother brought brown
build building burn business busy but buy by call came can capital car card care carry case cat
catch caught cause centre certain chair chance change chapter cheese chief child children choose
church circle city clean clear climb clock close cloth cloud coast coffee cold colour come common
company complete condition consider contain control cook copper corner correct cost could council
count country course court cover cross crowd cry cup cut dance danger dark daughter day dead deal
dear death december decide deep degree depend describe desert did die different difficult dinner
direction discover distance divide do doctor does dog done door doubt down draw dream dress drink
drive drop dry during dust each ear early earth east easy eat edge education effect egg eight either
electric else empire empty end enemy engine england english enjoy enough enter equal escape even
evening ever every evidence example except exercise expect experience explain express eye face fact
fair fall family famous far farm fast father favour fear feel feet fell felt few field fight figure
fill final find fine finger finish fire first fish fit five flat flew floor flow flower fly follow
food foot for force foreign forest forget form forward found four free french fresh friend from
front fruit full further future game garden gate gather gave general gentle girl give glad glass go
gold gone good government grass grave great green grew ground group grow guess had hair half hand
happen happy hard has hat have he head hear heart heat heavy held help her here high hill him his
history hold hole home honour hope horse hot hotel hour house how however hundred hunt hurry husband
ice idea if important in inch include increase indeed industry inside interest into iron is island
issue it january job join journey joy judge jump just keep kept key kind king kitchen knew knife
knock know known labour lady lake land language large last late laugh law lay lead learn least leave
left leg lesson let letter level library lie life lift light like line list listen little live long
look lord lose lost loud love low machine made main make man manner many map march mark market
marriage master matter may meal mean measure meat meet member memory men mention metal method middle
might mile milk million mind minister minute miss modern moment money month moon more morning most
mother mountain mouth move much museum music must my name narrow nation natural nature near nearly
necessary neck need never new news next nice night nine no noise none nor north nose not note
nothing notice now number object ocean october of off offer office often oil old on once one only
open opinion or orange order other our out outside over own page paid pain paint pair paper parents
part party pass past path pay peace pen people perhaps period person photograph piece place plain
plan plant play please point police poor position possible post potatoes power prepare present
press pretty price prince print prison private probably problem produce promise proper prove public
pull purpose push put quality quarter queen question quick quiet quite race rain raise ran reach
read ready real reason receive record red region remain remember reply report rest result return
rich ride right ring rise river road rock roll room root rose round royal rule run sad safe said
sail salt same sand sat save saw say scale school science sea season second secret see seem seen
sell send sense sent separate serious serve service set seven several shade shall shape share sharp
she ship shoe shop short should shoulder show side sight sign silent silver simple since sing single
sister sit six size skin sky sleep slow small smile smoke snow so society soft soil soldier some
son song soon sorry sort sound south space speak special speed spell spend spoke spring square staff
stage stand star start state station stay steel step still stone stood stop store storm story
straight strange stream street strength strong student study subject success such sudden suffer
sugar suit summer sun supply support suppose sure surface surprise sweet swim system table tail
take talk tall taste taught tax tea teach tell ten than thank that the their them then there these
they thick thin thing think third this those though thought thousand three through thus tie till
time tire title to today together told tomorrow too took top total touch toward town trade train
travel tree trial trouble true trust try turn twelve twenty two type uncle under understand union
unit university until up upon use usual valley value various very view village visit voice wait
walk wall want war warm was wash watch water wave way we wear weather week weight welcome well went
were west what wheel when where whether which while white who whole whom whose why wide wife wild
will win wind window wine winter wish with within without woman women wonder wood word work world
worth would write wrong year yellow yes yesterday yet you young your zero
"""
_FRENCH = """
à l'année après août assez aujourd'hui aussi autre avant avec beauté bientôt bibliothèque bœuf ça
café c'est château chaîne chemin chez chose cœur côté coût créer d'abord début déjà dernière des
dîner donner élève encore enfant époque été être façon femme fenêtre fête fille forêt français
frère garçon gâteau général goût grâce grand hélas heure hier histoire hiver hôpital hôtel île
j'ai jusqu'à l'eau l'église lettre lieu loin lumière maître malgré même mère mieux mille moitié
monde musée naître noël nôtre nuit œil œuvre où paraître pâte pays pêche pensée père peut-être
pièce plaît plutôt première près prêt propriété qu'il quelque question reçu répondre rêve réponse
rôle santé scène siècle sœur soirée société sûr tâche tête théâtre tôt toujours très vérité
vêtement vie ville voilà voix vôtre voyage
"""
_GERMAN = """
Änderung Bäcker Bücher dürfen fähig Führung für Fuß Gemüse Geschäft Gespräch glücklich groß größer
Grüße hören Käse König können Küche läuft Lösung Mädchen Männer möchte möglich müssen nächste
natürlich öffnen Öl Österreich persönlich plötzlich Prüfung Rückgabe schließen schön Schlüssel
später Straße süß täglich Tür über Übung übrigens ungefähr verfügbar vielleicht während Wäsche weiß
wünschen würde zurück zwölf Zusammenhang Bahnhof Kaffee nicht durch Wirtschaft Ausgang Eingang
"""
_SPANISH = """
además adiós ahí algún allá árbol así aún años baño bebé café camión canción cárcel caña compañía
corazón cuándo día difícil dónde época español está estación éxito fácil información inglés jamón
jardín lápiz león límite llegó mañana más médico montaña mujer música niño número océano
país pequeño película pingüino porqué público qué razón río sábado según señor sí sueño también
teléfono título todavía último única válido vergüenza viña ciudad iglesia hermanas pueblo
"""
_ITALIAN = """
abbastanza acqua amico anche bambino bellezza città caffè chiesa ciò così cucina dell'arte dopo è
felicità già giovedì giù gli libertà lunedì l'uomo martedì né oggi ogni perché però piazza più può
qualità quattro sarà scuola società università verità venerdì viaggio virtù
"""
_NORTHERN = """
ação amanhã avô às coração estão irmã lições mãe manhã maçã não opinião pão português são também
três você å år både dør fjord før gå grønn hånd høst ikke kjøtt køb løve måned må nød øre ørn på
påske rød sjø skål smør sø tåge være vår värld älg ängel även björn för höst kött löv mörk ö över
räksmörgås sjö smörgås één geïnd coöperatie financiële ideeën naïef ruïne ijsje hôtel tête-à-tête
"""
WORDS: tuple[str, ...] = tuple(
    f"{_ENGLISH} {_ENGLISH} {_FRENCH} {_GERMAN} {_SPANISH} {_ITALIAN} {_NORTHERN}".split()
)
"""English ones twice."""

_SHOP_WORDS = """
almond apple bacon bag baguette banana basil basket battery beans beef beer bin biscuit blade board
bolt bottle bowl box bread brownie brush bucket bun burger butter cable cake candle cap cappuccino
carrot cereal chain charger cheddar cheese chicken chips choc chocolate cider clip cloth coconut
coffee coke cookie corn cotton cream crisps croissant cucumber cup curry custard deodorant detergent
dish dough drill egg espresso fabric file filter fish flour foam foil folder fork fries frozen
garlic ginger glove glue grape gravy green grill ham hammer hanger honey hook hose ice iced jam jar
juice ketchup kettle kit knife label lamb lamp latte lemon lemonade lettuce light lime liquid lock
lotion lunch lychee mango margarine marker mask mat mayo meal melon milk mint mixed mop mouse muffin
mug mushroom mustard nail napkin noodle nut oat oil olive onion orange organic pack pad paint pan
paper parsley pasta pastry peach peanut pear pen pencil pepper pie pin pipe pizza plate plug plum
popcorn pork potato powder prawn pudding pump rack raisin razor red rice ring roast roll rope ruler
salad salmon salt sandwich sauce sausage scissors screw seed set shampoo sheet shelf shirt shrimp
sink soap socket soda soup soy spice spinach sponge spoon spray steak sticker stove straw string
sugar switch syrup tape tart tea tile tin tissue toast tofu tomato tonic toothpaste torch towel tray
tuna turkey tyre valve vanilla vinegar wafer water wax wheat white wine wipes wire wood wrap yeast
yoghurt zip crème café jalapeño purée gruyère rosé pâté müsli käse señora piña
"""
_GIVEN_NAMES = """
Ada Ahmad Aisha Alex Amina Ana André Anna Ben Carla Chen Chloé Clara Daniel David Elena Emma Eric
Eva Farah Felix François George Grace Hana Hannah Hugo Ivan Jack James Jan Joana John José Julia
Karim Kate Kevin Laura Lee Léa Lena Liam Lim Lucas Lucía Maria Mark Marta Mei Mia Michael Mohd Nadia
Nina Noah Nora Nur Olga Omar Oscar Paul Peter Rafael Ravi Rosa Ruth Sam Sara Sean Siti Sofia Søren
Tan Thomas Tom Uma Vera Victor Wei Wong Yara Yusuf Zoë
"""
_FAMILY_NAMES = """
Abdullah Adams Almeida Andersen Baker Becker Bell Berg Björk Brown Carter Castro Clark Cohen Cruz
Dubois Evans Fischer Foster García Girard Gray Hansen Harris Hill Ibrahim Ismail Jensen Johnson
Jones Kaur Keller King Klein Kumar Lambert Larsen Lewis Lopez Martin Mehta Meyer Moreau Morgan
Müller Murphy Nguyen Novak O'Brien Olsen Patel Pereira Peters Price Quinn Rahman Reed Rossi Russo
Sato Schmidt Silva Singh Smith Taylor Tran Turner Vogel Walker Weber White Wong Wood Wright Young
"""
_PLACES = """
Amberley Ashford Bayview Bellavista Brookfield Castelnuovo Cheras Clayton Cork Damansara Dublin
Eastport Elmwood Fairview Genève Glenwood Greenhill Hamburg Harbour Hillcrest Jaya Kingsbridge Köln
Lakeside Leeds Lyon Málaga Maplewood Melaka Midtown Milano Newton Northgate Oakdale Oxford Parkside
Penang Perth Porto Riverside Rosewood Selangor Southbank Springfield Stockholm Subang Torino Utrecht
Valencia Västerås Westfield Wien Windsor Woodlands York Zürich
"""

SHOP_WORDS: tuple[str, ...] = tuple(_SHOP_WORDS.split())
GIVEN_NAMES: tuple[str, ...] = tuple(_GIVEN_NAMES.split())
FAMILY_NAMES: tuple[str, ...] = tuple(_FAMILY_NAMES.split())
PLACES: tuple[str, ...] = tuple(_PLACES.split())
STREETS = (
    "Street",
    "St.",
    "Road",
    "Rd",
    "Avenue",
    "Ave.",
    "Lane",
    "Drive",
    "Square",
    "Court",
    "Way",
    "Boulevard",
    "Park",
    "Terrace",
)
