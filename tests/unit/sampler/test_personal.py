"""What looks personal by its name, and by its values."""

from __future__ import annotations

import pytest

from sandbox.masking.detect import value_patterns
from sandbox.masking.detect.column_names import classify_column_name
from sandbox.masking.detect.value_patterns import classify_values

PERSONAL = {
    "email": "email Email EMAIL e_mail customerEmail email_address emailAddress contact_email_2 primary_email courriel correo",
    "phone": "phone phone_number phoneNo mobile_phone telefon Telefonnummer téléphone fax work_phone cell_phone puhelin",
    "name": "first_name LastName surname Vorname nachname prénom apellidos full_name customer_name patient_name name_first",
    "birth date": "birth_date birthDate dob date_of_birth DateOfBirth geburtsdatum fecha_nacimiento",
    "bank account": "iban IBAN customer_iban credit_card_number card_number kontonummer",
    "national id": "ssn social_security_number personnummer dni passport_number national_id tax_id driver_license_number",
    "IP address": "ip ip_address client_ip ipAddress remote_addr",
    "address": "street address street_address billing_address address_1 straße anschrift",
    "user name": "username user_name login screen_name",
    "password": "password passwd password_hash",
}
# Of public schemas: shops, taxi trips, flights, logs, dbt projects, sports, finance.
HARMLESS = """
    email_sent_count email_opened email_verified_at email_domain email_template_id emails_per_day named_query name
    product_name file_name hostname column_name event_name company_name airport_name station_name category_name
    phone_type is_phone_verified mobile_os telemetry hotel_id cell_id birth_year birthCountry card_type gift_card
    scorecard discard business_card order_number invoice_number account_id account_name customer_id user_id user_agent
    address_id memory_address ip_count zip trip_id tip_amount recipe shipping_method ship_mode description notes comments
    created_at updated_by last_login_at login_count password_reset_at session_id ssn_verified tax_rate tax_amount tin_roof
    status amount currency country city region postal_code latitude longitude gender age segment timestamp vendor_id
    pickup_datetime passenger_count trip_distance rate_code store_and_fwd_flag payment_type fare_amount mta_tax tolls_amount
    carrier flight tail_number origin dest dep_delay arr_time distance request method path referrer bytes response_code
    yearID teamID lgID playerID franchID franchName park attendance schoolName awardID votes needed inducted salary
    open high low close volume ticker symbol sector model make colour weight height width brand sku title author_id
    headline url domain host port protocol version build commit branch repository level message logger thread hash checksum
""".split()  # noqa: SIM905 - a list of words is read as such


@pytest.mark.parametrize(("what", "column"), [(what, one) for what, names in PERSONAL.items() for one in names.split()])
def test_usual_names_of_personal_columns_are_known(what: str, column: str) -> None:
    assert classify_column_name(column, "orders") == what


@pytest.mark.parametrize("column", HARMLESS)
def test_names_that_only_sound_so_are_not(column: str) -> None:
    assert classify_column_name(column, "orders") is None


def test_a_name_is_a_persons_where_the_table_holds_persons() -> None:
    assert classify_column_name("name", "customers") == "name"
    assert classify_column_name("name", "products") is None
    assert classify_column_name("Name", "dim_Kunden") == "name"


@pytest.mark.parametrize(
    "value",
    [
        "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606", "NO9386011117947",
    ],
)  # fmt: skip
def test_ibans_are_known_by_their_check_digits(value: str) -> None:
    assert value_patterns.is_iban(value)
    assert not value_patterns.is_iban(value[:3] + str((int(value[3]) + 1) % 10) + value[4:])


@pytest.mark.parametrize("value", ["4111111111111111", "5500 0000 0000 0004", "3400-000000-00009", "6011000000000004"])
def test_card_numbers_are_known_by_issuer_and_check_digit(value: str) -> None:
    assert value_patterns.is_card_number(value)
    assert not value_patterns.is_card_number(value[:-1] + str((int(value[-1]) + 1) % 10))


@pytest.mark.parametrize("value", ["9111111111111111", "411111111111", "4111", "1700000000000"])
def test_other_long_numbers_are_no_card_numbers(value: str) -> None:
    assert not value_patterns.is_card_number(value)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("123-45-6789", "000-45-6789"),
        ("12345678Z", "12345678A"),
        ("X1234567L", "X1234567M"),
        ("811218-9876", "811218-9875"),
        ("131052-308T", "131052-308U"),
        ("255081416802538", "255081416802539"),
        ("86095742719", "86095742718"),
        ("RSSMRA85T10A562S", "RSSMRA85Z10A562S"),
        ("AB123456C", "GB123456C"),
    ],
)
def test_national_ids_are_known_by_form_and_check_digit(value: str, wrong: str) -> None:
    assert value_patterns.is_national_id(value)
    assert not value_patterns.is_national_id(wrong)


@pytest.mark.parametrize("value", ["192.168.0.1", "2001:db8::1", "::1"])
def test_ip_addresses_are_known(value: str) -> None:
    assert value_patterns.is_ip_address(value)


@pytest.mark.parametrize("value", ["1.2.3", "999.1.1.1", "12:30:45", "00:1B:44:11:3A:B7", "1.2.3.4.5"])
def test_times_versions_and_hardware_addresses_are_no_ip_addresses(value: str) -> None:
    assert not value_patterns.is_ip_address(value)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (["call Ann at ann@web.de"] * 6 + ["none"] * 94, "email"),
        (["+49 30 1234567", "(212) 734-1234", "212-734-1234"], "phone"),
        (["DE89370400440532013000"] * 3 + ["?"] * 7, "bank account"),
        (["Anna Müller", "Müller, Anna", "James T. Kirk", "Peter de Vries", "Maria Garcia"], "name"),
        (
            ["Anna", "Ben", "Peter", "Maria", "James", "Müller", "José", "Tom", "Søren", "Zoë", "Małgorzata"],
            "name",
        ),
        (["10.0.0.1", "10.0.0.2"], "IP address"),
        (["123-45-6789"] * 5, "national id"),
    ],
)
def test_values_show_what_a_column_holds(values: list[str], what: str) -> None:
    found = classify_values(values)
    assert found is not None
    assert found[0] == what


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["", " "],
        ["2024-01-01", "2024-01-02"],
        ["10:15:00", "10:15:01"],
        ["4.2.0.1", "red", "blue"],
        [str(10**12 + n) for n in range(1000)],
        [str(4_000_000_000_000_000 + n * 97) for n in range(1000)],
        [f"{n:09d}" for n in range(1000)],
        [f"{n:08d}A" for n in range(1000)],
        [f"{10_000_000_000 + n * 13}" for n in range(1000)],
        ["Berlin", "Paris", "London", "Florence", "Rome", "Madrid", "Lisbon", "Vienna", "Oslo", "Bern"],
        ["Anaheim Angels", "Boston Red Sox", "Chicago White Sox", "Detroit Tigers", "New York Yankees"],
        ["Nordic lamp 7", "Urban chair 8", "Alpine kettle 9"],
        ["git@example.com:org/repository.git"] * 5,
        ["@mention", "user@localhost"],
        ["Al", "Ann", "May", "June"] * 250,
    ],
)
def test_values_that_only_look_alike_do_not(values: list[str]) -> None:
    assert classify_values(values) is None


def test_the_reason_has_the_figures() -> None:
    assert classify_values(["a@b.de"] * 980 + ["?"] * 20) == (
        "email",
        "98 % of 1,000 values are or hold e-mail addresses",
    )
    assert classify_values(["a@b.de", "", " "]) == ("email", "100 % of 1 value are or hold e-mail addresses")
