"""Texts of our own that the cases are made of."""

from __future__ import annotations

PLAIN = [
    "The quick brown fox jumps over the lazy dog.",
    "A man in a red shirt is riding a bicycle down a wet street.",
    "Two children are playing with a ball near the river bank.",
    "The committee decided, after long deliberations, to postpone the election until next spring.",
    "Scientists have discovered a relation between rainfall and the migration of butterflies.",
    "It isn't likely that they'll arrive before the meeting begins.",
    "Several people are waiting for the train at a crowded station.",
    "She carefully repaired the old clock, and it has been ticking ever since.",
    "A black and white cat sits quietly on the kitchen table next to a bowl of fruit.",
    "Heavy rain falls while thunder rumbles in the distance and a dog barks.",
    "The government's proposals were criticised by economists, unions and farmers alike.",
    "An engine starts, idles for a while and then accelerates away.",
    "Prices rose by 3.5 percent in October, the largest increase in twelve years.",
    "The children, who'd never seen snow before, ran happily through the garden.",
]
ODD = [
    'He said: "I\'ll go" -- and went (quickly).',
    "Prices: $5.50, 10% off; 1,000 items - or 3-4 a day!",
    "state-of-the-art e-mail\u2014isn't it? \u201cYes\u201d.",
    "&quot;Tom &amp; Jerry&quot; &lt;b&gt; a&b",
    "word-\nbreak and\nnew lines <skipped> here",
    "  spaces\tand\u00a0odd\u2003ones\x1cend  ",
    "Straße, naïve café, 東京タワー。 привет!",
    "3.14.15 1,2,3 .5 5. ,5 5, -5 5- 5-6",
    "",
    "{a}[b]~c`d^e_f @g #h /i\\j |k",
    "U.S. and U.K., e.g. Mr. Smith's 2nd ed.",
    "10.000,50 is 10,000.50; 12:30-13:00",
]
FILLERS = ["the", "a", "green", "often", "of", "house,", "running", "seven", "Berlin", "was", "quickly", "not"]
WORDS_OF_STEMS = (
    "caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned "
    "falling hissing fizzed failing filing happy sky enjoy relational conditional rational valenci hesitanci digitizer "
    "conformabli radicalli differentli vileli analogousli vietnamization predication operator feudalism decisiveness "
    "hopefulness callousness formaliti sensitiviti sensibiliti triplicate formative formalize electriciti electrical "
    "hopeful goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement "
    "adjustment dependent adoption homologou communism activate angulariti homologous effective bowdlerize probate rate "
    "cease controll roll dying lying tying news innings outing canning howe proceed exceed succeed skies died spied flies "
    "dies say says saying geology biology apology logi by at 2nd 3d y yyy syzygy flying crying eyed eed need speed "
    "naturally really finally fully hopefully usefulli generalli ion nation million onion ate ize able agreement "
    "abilities running runner runs ran organisations organization oed oing owing egg eggs add adds inn off ox ax"
)
WORDS = [word for word in WORDS_OF_STEMS.split(" ") if word]
CAPTIONS = [
    "A man isn't riding a bike.",
    "Two dogs' owner can't find them!",
    "The U.S. flag flies at 3:30 p.m. today.",
    'A black-and-white cat sits "quietly" on the mat...',
    "It costs $5.50, or 10% off (for now); really?",
    'He said: "I\'ll go" -- and went.',
    "They're gonna cannot wanna see a 1/2 inch pipe & 3,000 things.",
    "A sign that says 'STOP' hangs on the wall",
    "a t-shirt, x-ray, and e-mail with well-known man/woman",
    "Dr. Smith and Mr. Jones Jr. went to St. Louis",
    "A plate of food with eggs , bacon , and toast .",
    "a dog's bowl. the cat ran. it's over",
    "http://www.example.com is a site, me@example.org",
    "I've we'd she'll they'd who's",
    "man [in] {red} #1 *star* a_b",
    "A man in a 1980's car - nice \u2014 really \u2013 ok",
    "colour: grey, caf\u00e9 na\u00efve 20th 3-year-old",
    "The boys' bikes are by the girl's house ; it is 5 o'clock",
]
ANSWERS = [
    "the Eiffel Tower",
    "Eiffel tower!",
    "1889",
    "in 1889",
    "a cat and the dog",
    "Denver Broncos",
    "The Denver Broncos.",
    "an",
    "it's",
    "U.S.",
    "the United States of America",
    "100,000",
    "Straße",
]
