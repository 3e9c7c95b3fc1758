"""What may be done with whose data, and who did what: the rules that every stage keeps to.

What belongs here: agreements on a night (`agreements`), objections (`objections`) and the exchange with the national
opt-out's check (`opt_out`), people whose identity is withheld (`withheld`) and who were forgotten (`forgotten`),
pseudonyms and their keys (`pseudonyms`), small numbers (`disclosure`), the journal (`journal`) and sign-offs, which are
read from it (`sign_off`). What does not: making a registry's tables or reports (the stages do, and ask here what they
may). The agreements themselves are part of a provider's description (`config`).
"""
