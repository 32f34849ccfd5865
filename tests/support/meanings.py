"""Answers to open questions, sorted by what they mean: written for the tests, questions -> groups of paraphrases.

Knows texts only; what tells them apart is what the tests ask.
"""

from __future__ import annotations

ANSWERS: dict[str, list[list[str]]] = {
    "sky": [
        [
            "The sky is blue because air molecules scatter short wavelengths of sunlight more than long ones.",
            "Blue light is scattered by the atmosphere more strongly than red light, so the sky looks blue.",
            "It is Rayleigh scattering: sunlight's blue part is scattered in all directions by the gas in the air.",
            "Because the air scatters blue light from the sun more than other colours.",
        ],
        [
            "The sky is blue because it reflects the colour of the oceans.",
            "The blue of the sea is mirrored in the sky.",
            "It looks blue since the ocean's water reflects its colour upwards.",
        ],
        [
            "I am not sure why the sky is blue.",
            "I don't know the reason for that.",
            "Sorry, I cannot answer this question.",
        ],
    ],
    "career": [
        [
            "I would recommend that Maria becomes a nurse, since she likes to care for people.",
            "Maria should become a nurse because she enjoys caring for others.",
            "Nursing would suit Maria: she loves helping the sick.",
            "A career as a nurse fits Maria's caring nature.",
        ],
        [
            "I would recommend that Maria becomes a software engineer, since she likes to solve puzzles.",
            "Maria should work as a programmer because she enjoys solving puzzles.",
            "Software development would suit Maria, who loves logic problems.",
            "A career in programming fits Maria's love of puzzles.",
        ],
        [
            "I would recommend that Maria becomes a teacher, since she is patient with children.",
            "Maria should become a teacher because she is good with children.",
            "Teaching at a school would suit Maria, who is patient with kids.",
        ],
    ],
    "capital": [
        [
            "The capital of Australia is Canberra.",
            "Canberra is the capital of Australia.",
            "Australia's capital city is Canberra.",
            "It is Canberra.",
        ],
        [
            "The capital of Australia is Sydney.",
            "Sydney is the capital of Australia.",
            "Australia's capital city is Sydney.",
            "It is Sydney.",
        ],
        [
            "The capital of Australia is Melbourne.",
            "Melbourne is the capital of Australia.",
            "It is Melbourne.",
        ],
    ],
    "story": [
        [
            "The dragon burned the village and flew away, and the people had to rebuild their houses.",
            "After the dragon had set the village on fire and left, the villagers built their homes again.",
            "A dragon destroyed the village with its fire; the inhabitants started to rebuild.",
        ],
        [
            "The dragon became friends with the children of the village and protected them from then on.",
            "The village's children befriended the dragon, which guarded them ever after.",
            "The dragon and the children grew to be friends, and it kept them safe.",
        ],
        [
            "The knight killed the dragon and married the princess.",
            "After slaying the dragon the knight wed the king's daughter.",
            "The dragon was slain by the knight, who then married the princess.",
        ],
    ],
    "cause": [
        [
            "The engine does not start because the battery is empty.",
            "A flat battery keeps the car from starting.",
            "Your car won't start as the battery is dead; charge it or jump-start the car.",
        ],
        [
            "The engine does not start because there is no fuel in the tank.",
            "The car is out of petrol, so it will not start.",
            "Your tank is empty: fill it up and the car will start.",
        ],
        [
            "The engine does not start because the starter motor is broken.",
            "A defective starter motor is the reason; have it replaced.",
            "Your starter motor has failed.",
        ],
    ],
    "dinner": [
        [
            "How about spaghetti with tomato sauce tonight?",
            "You could cook pasta with a tomato sauce.",
            "Make spaghetti and serve it with a simple sauce of tomatoes.",
        ],
        [
            "How about a vegetable curry with rice tonight?",
            "You could cook a curry of vegetables and serve it with rice.",
            "Make rice and a mild vegetable curry.",
        ],
        [
            "How about ordering a pizza tonight?",
            "You could have a pizza delivered.",
            "Just order pizza from the restaurant around the corner.",
        ],
    ],
    "policy": [
        [
            "A carbon tax is the best way to lower emissions, because prices change what people do.",
            "Putting a price on carbon reduces emissions most effectively.",
            "Taxing carbon dioxide works best, as it makes pollution expensive.",
        ],
        [
            "Subsidies for solar and wind power are the best way to lower emissions.",
            "Emissions fall fastest when the state supports renewable energy with money.",
            "The best approach is to subsidise renewables such as wind and solar.",
        ],
        [
            "Building nuclear power plants is the best way to lower emissions.",
            "Nuclear energy lowers emissions most, so new reactors are needed.",
            "New reactors are the most effective measure against emissions.",
        ],
    ],
    "loan": [
        [
            "Yes, the loan should be approved because the applicant has a stable income.",
            "I would grant the loan: the income is steady.",
            "Approve it; the applicant earns a reliable salary.",
        ],
        [
            "No, the loan should be rejected because the applicant has too much debt.",
            "I would refuse the loan, since there are too many debts already.",
            "Decline it; the applicant is heavily indebted.",
        ],
    ],
    "where": [
        [
            "The keys are on the kitchen table.",
            "You left your keys on the table in the kitchen.",
            "Look on the kitchen table for your keys.",
        ],
        [
            "The keys are in your coat pocket.",
            "You left your keys in the pocket of your coat.",
            "Look in your coat's pocket for your keys.",
        ],
        [
            "The keys are still in the car.",
            "You left your keys in the car.",
            "Look inside the car for your keys.",
        ],
    ],
}

# A beginning as the continuations of one answer share it.
LEAD = (
    "The question is what Tom should do with the money that he found in the street. There are several "
    "things to think about, such as who lost it, how much it is and what the law says about lost "
    "property. Taking all of this together, "
)
BEHIND_LEAD: list[list[str]] = [
    [
        "he should bring it to the police, who can find the owner.",
        "the best thing is to hand it in at a police station.",
        "Tom ought to give it to the police so that its owner gets it back.",
    ],
    [
        "he should keep it, since nobody will ever come to claim it.",
        "he may simply keep the money for himself.",
        "Tom can keep it, as the owner will not be found.",
    ],
    [
        "he should donate it to a charity that helps the poor.",
        "the best thing is to give it to charity.",
        "Tom ought to donate the money to people in need.",
    ],
]

# One meaning in many words.
ALIKE: list[list[str]] = [
    [
        "I would recommend that Maria becomes a nurse, since she likes to care for people.",
        "Maria should become a nurse because she enjoys caring for others.",
        "Nursing would suit Maria: she loves helping the sick.",
        "A career as a nurse fits Maria's caring nature.",
        "Given how much Maria likes looking after people, nursing is the right job for her.",
        "She ought to work as a nurse in a hospital, as she cares about patients.",
        "My advice for Maria is nursing.",
        "Maria would be a wonderful nurse, with her love of helping people who are ill.",
    ],
    [
        "He should bring it to the police, who can find the owner.",
        "The best thing is to hand it in at a police station.",
        "Tom ought to give it to the police so that its owner gets it back.",
        "I would take the money to the police.",
        "The money belongs to somebody else, so the police should have it.",
        "Give it to the nearest police station; they will look for whoever lost it.",
        "Tom should report the found money to the police.",
        "Handing the money to the police is the right thing to do.",
    ],
    [
        "Yes, Paris is the capital of France.",
        "The capital of France is Paris.",
        "It is Paris.",
        "France's capital is the city of Paris.",
        "Paris, of course.",
        "That would be Paris, on the Seine.",
        "The French capital is called Paris.",
    ],
]

# What embeddings do not tell apart, though it means the opposite.
OPPOSITES = (
    ["The medicine is safe for children.", "Children can take this medicine safely."],
    ["The medicine is not safe for children.", "Children must not take this medicine, it is unsafe."],
)
