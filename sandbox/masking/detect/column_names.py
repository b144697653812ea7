"""Detection of personal data by column names, in several languages. Pure.

A name is split into words, and its last words decide: ``email_address`` is an address, ``email_sent_count`` a count,
``named_query`` a query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.formatting import split_words

if TYPE_CHECKING:
    from collections.abc import Iterable

# Trailing words that do not change the meaning of a name.
NEUTRAL_WORDS = set(
    """
    number no nr num nummer numero numer value text string str raw clean lower primary secondary home work
    office private personal main alt alternate other normalized line current
    """.split()  # noqa: SIM905 - a list of words is read as such
) | {"1", "2", "3", "4"}
PERSON_WORDS = set(
    """
    customer client user patient employee member contact person people player author owner recipient sender
    passenger driver student teacher guest cardholder holder subscriber applicant candidate participant buyer
    seller worker staff doctor physician lead visitor attendee tenant beneficiary resident citizen kunde kunden
    mitarbeiter benutzer person personen patienten utilisateur salarie cliente clientes usuario usuarios
    empleado persona personas dipendente klant medewerker klient uzytkownik kund anvandare asiakas henkilo
    emergency billing shipping delivery
    """.split()  # noqa: SIM905 - a list of words is read as such
)
# Meanings of a name's last words.
ENDINGS_BY_MEANING: dict[str, tuple[str, ...]] = {
    "email": (
        "email", "e mail", "mail", "email address", "mail address", "emailaddress", "email adresse", "emailadresse",
        "mailadresse", "courriel", "correo", "correo electronico", "epost", "e post", "sahkoposti", "adres email",
    ),
    "phone": (
        "phone", "telephone", "telefon", "tel", "mobile", "mobil", "handy", "fax", "telefono", "cellphone", "cell phone",
        "movil", "celular", "cellulare", "puhelin", "telefoon", "telefonnummer", "phonenumber", "mobilnummer", "gsm",
        "rufnummer", "telefoonnummer", "puhelinnumero", "msisdn", "whatsapp",
    ),
    "name": (
        "first name", "last name", "given name", "family name", "full name", "middle name", "maiden name", "surname",
        "firstname", "lastname", "fullname", "givenname", "familyname", "middlename", "name first", "name last",
        "name given", "name middle", "preferred name", "forename", "nickname", "legal name", "vorname", "nachname", "familienname",
        "prenom", "nom de famille", "apellido", "apellidos", "nombre completo", "cognome", "achternaam", "voornaam",
        "fornamn", "efternamn", "imie", "nazwisko", "etunimi", "sukunimi", "sobrenome", "apelido", "cardholder",
        "account holder", "fname", "lname",
    ),
    "birth date": (
        "birth date", "birthdate", "birthday", "birth day", "dob", "date of birth", "geburtsdatum", "geburtstag",
        "date naissance", "date de naissance", "fecha nacimiento", "fecha de nacimiento", "data nascita",
        "data di nascita", "geboortedatum", "fodelsedatum", "data urodzenia", "syntymaaika", "data nascimento", "born",
    ),
    "bank account": (
        "iban", "bank account", "account iban", "kontonummer", "card", "credit card", "creditcard", "card pan", "cvv",
        "kreditkarte", "kreditkartennummer", "cardnumber", "carte bancaire", "tarjeta",
    ),
    "national id": (
        "ssn", "social security", "socialsecurity", "social insurance", "nino", "national id", "nationalid",
        "national insurance", "personnummer", "hetu", "henkilotunnus", "dni", "nif", "passport", "reisepass", "passeport",
        "pasaporte", "driver license", "drivers license", "driving licence", "cpf", "bsn", "pesel", "codice fiscale",
        "steuer id", "steuerid", "steuernummer", "tax id", "taxid", "tin", "aadhaar", "sozialversicherungsnummer",
        "ausweis", "identity card", "numero securite sociale",
    ),
    "IP address": ("ip", "ip address", "ip addr", "ipaddress", "ipv", "ipv4", "ipv6", "remote addr", "ip adresse"),
    "address": (
        "address", "street", "street address", "postal address", "address street", "adresse", "anschrift", "strasse",
        "strase", "hausnummer", "rue", "direccion", "calle", "indirizzo", "adres", "gatuadress", "osoite",
        "ulica", "endereco",
    ),
    "user name": ("username", "user name", "login", "login name", "screen name", "screenname", "benutzername"),
    "password": ("password", "passwd", "pwd", "password hash", "passwort", "mot de passe", "contrasena"),
}  # fmt: skip
# Preceding words that change the meaning of these.
EXCLUDING_WORDS = {
    "card": {
        "score",
        "report",
        "sim",
        "sd",
        "yellow",
        "red",
        "wild",
        "gift",
        "id",
        "business",
        "time",
        "rate",
    },
    "address": {"memory", "web", "url", "contract", "wallet", "base", "server", "bus", "cell"},
    "mail": {"direct", "junk", "snail"},
}
NAME_PARTS = {"first", "last", "middle", "maiden"}
PORTRAIT_WORDS = {"portrait", "avatar", "selfie", "face", "signature", "fingerprint", "mugshot", "passport", "headshot"}
_MEANINGS_BY_PHRASE = {
    tuple(ending.split()): what for what, endings in ENDINGS_BY_MEANING.items() for ending in endings
}
_MAX_PHRASE_WORDS = max(map(len, _MEANINGS_BY_PHRASE))


def names_image_of_person(column: str, table: str) -> bool:
    """Return whether a binary column is named for what shows a person, or lies in a table of people.

    >>> names_image_of_person("photo", "employees"), names_image_of_person("picture", "categories")
    (True, False)
    """
    words = split_words(column)
    owners = {form for word in split_words(table) for form in _list_singulars(word)}
    return bool(set(words) & PORTRAIT_WORDS) or bool(owners & PERSON_WORDS)


def classify_column_name(column: str, table: str) -> str | None:
    """Return the meaning of a column's name, one of `ENDINGS_BY_MEANING`; None if it is not personal.

    >>> classify_column_name("email_address", "t"), classify_column_name("email_sent_count", "t"), classify_column_name("name", "customers"), classify_column_name("name", "products")
    ('email', None, 'name', None)
    >>> classify_column_name("customer_category_name", "t"), classify_column_name("OWNERNAME", "t")
    (None, 'name')
    """
    parts = split_words(column)
    while len(parts) > 1 and parts[-1] in NEUTRAL_WORDS:
        parts = parts[:-1]
    for length in range(min(_MAX_PHRASE_WORDS, len(parts)), 0, -1):
        meaning = _MEANINGS_BY_PHRASE.get(tuple(parts[-length:]))
        if meaning is not None:
            before = parts[-length - 1] if len(parts) > length else ""
            return None if before in EXCLUDING_WORDS.get(parts[-1], ()) else meaning
    if parts and parts[-1] in ("name", "nom", "nombre", "nome", "naam", "namn", "nimi"):
        owners = parts[-2:-1] or split_words(table)
        return "name" if any(_list_singulars(word) & PERSON_WORDS for word in owners) else None
    if parts and parts[-1].endswith("name") and parts[-1].removesuffix("name") in PERSON_WORDS:
        return "name"
    return None


def classify_name_parts(column: str, columns: Iterable[str]) -> str | None:
    """Return ``name`` for a column that holds a part of a name, in a table with columns ``first`` and ``last``.

    >>> classify_name_parts("FIRST", ["ID", "FIRST", "LAST"]), classify_name_parts("first", ["first", "second"])
    ('name', None)
    """
    has_both = {"first", "last"} <= {name.lower() for name in columns}
    return "name" if has_both and column.lower() in NAME_PARTS else None


def _list_singulars(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("en")}
