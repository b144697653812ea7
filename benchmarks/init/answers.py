"""Answers for public sources, which are fetched by hand; their data are not here.

| name | source |
|---|---|
| chinook | the SQLite file of lerocha/chinook-database, each table as CSV |
| baseball | the Lahman tables of the tests |
| northwind | `src/create.sql` of jpwhite3/northwind-SQLite3, run by SQLite; each table as CSV, those with binary columns as Parquet |
| classicmodels | `dataset/` of yurizza/classicmodels-dbt-duckdb |
| formula1 | the CSV files of JE-Classrooms/f1_data, without `lap_times.csv` |
| synthea | `synthea/csv/` of onthemarq/Project_Mod, without the two largest files |
| sakila | `sakila/` of datacharmer/test_db, loaded into SQLite and written as northwind |
| jaffle_shop | `seeds/` of dbt-labs/jaffle_shop_duckdb |
| importers | WideWorldImporters: the CSV files of aanundgit/OLTP-WideworldImporters without their column without a name and without the files over 4 MB |

A key is the smallest set of columns that identifies a row of these data. A reference whose column is empty is not asked for.
"""

from __future__ import annotations

from benchmarks.init.schemas import MUSIC, RENTAL, KnownSource

_PLAYER_TABLES = (
    "AllstarFull",
    "AwardsPlayers",
    "BattingPost",
    "CollegePlaying",
    "HallOfFame",
    "PitchingPost",
    "Salaries",
)
_TEAM_TABLES = ("AllstarFull", "BattingPost", "PitchingPost", "Salaries")

CHINOOK = KnownSource(
    keys=MUSIC.keys,
    references=MUSIC.references,
    units=("Customer",),
    personal=frozenset({
        "Customer.FirstName", "Customer.LastName", "Customer.Address", "Customer.Phone", "Customer.Fax", "Customer.Email",
        "Employee.FirstName", "Employee.LastName", "Employee.BirthDate", "Employee.Address", "Employee.Phone", "Employee.Fax",
        "Employee.Email", "Invoice.BillingAddress", "Track.Composer",
    }),
)  # fmt: skip

BASEBALL = KnownSource(
    keys={
        "People": ("playerID",), "Schools": ("schoolID",), "TeamsFranchises": ("franchID",), "Teams": ("yearID", "teamID"),
        "BattingPost": ("yearID", "round", "playerID"), "CollegePlaying": ("playerID", "schoolID", "yearID"),
        "HallOfFame": ("playerID", "yearID", "votedBy"), "PitchingPost": ("playerID", "yearID", "round"),
        "Salaries": ("yearID", "teamID", "playerID"),
    },
    references={
        **{f"{name}.playerID": "People.playerID" for name in _PLAYER_TABLES},
        **{f"{name}.yearID+teamID": "Teams.yearID+teamID" for name in _TEAM_TABLES},
        "Teams.franchID": "TeamsFranchises.franchID", "CollegePlaying.schoolID": "Schools.schoolID",
    },
    units=("People",),
    personal=frozenset({"People.nameFirst", "People.nameLast", "People.nameGiven"}),
)  # fmt: skip

NORTHWIND = KnownSource(
    keys={
        "Categories": ("CategoryID",), "Customers": ("CustomerID",), "EmployeeTerritories": ("TerritoryID",),
        "Employees": ("EmployeeID",), "Order Details": ("OrderID", "ProductID"), "Orders": ("OrderID",),
        "Products": ("ProductID",), "Regions": ("RegionID",), "Shippers": ("ShipperID",), "Suppliers": ("SupplierID",),
        "Territories": ("TerritoryID",),
    },
    references={
        "EmployeeTerritories.TerritoryID": "Territories.TerritoryID", "EmployeeTerritories.EmployeeID": "Employees.EmployeeID",
        "Employees.ReportsTo": "Employees.EmployeeID", "Order Details.OrderID": "Orders.OrderID",
        "Order Details.ProductID": "Products.ProductID", "Orders.CustomerID": "Customers.CustomerID",
        "Orders.EmployeeID": "Employees.EmployeeID", "Orders.ShipVia": "Shippers.ShipperID",
        "Products.SupplierID": "Suppliers.SupplierID", "Products.CategoryID": "Categories.CategoryID",
        "Territories.RegionID": "Regions.RegionID",
    },
    units=("Customers",),
    personal=frozenset({
        "Customers.ContactName", "Customers.Address", "Customers.Phone", "Customers.Fax", "Employees.LastName",
        "Employees.FirstName", "Employees.BirthDate", "Employees.Address", "Employees.HomePhone", "Employees.Photo",
        "Employees.Notes", "Orders.ShipAddress", "Shippers.Phone", "Suppliers.ContactName", "Suppliers.Address",
        "Suppliers.Phone", "Suppliers.Fax",
    }),
)  # fmt: skip

CLASSICMODELS = KnownSource(
    keys={
        "customers": ("customerNumber",), "employees": ("employeeNumber",), "offices": ("officeCode",),
        "orderdetails": ("orderNumber", "productCode"), "orders": ("orderNumber",), "payments": ("checkNumber",),
        "productlines": ("productLine",), "products": ("productCode",),
    },
    references={
        "customers.salesRepEmployeeNumber": "employees.employeeNumber", "employees.officeCode": "offices.officeCode",
        "employees.reportsTo": "employees.employeeNumber", "orderdetails.orderNumber": "orders.orderNumber",
        "orderdetails.productCode": "products.productCode", "orders.customerNumber": "customers.customerNumber",
        "payments.customerNumber": "customers.customerNumber", "products.productLine": "productlines.productLine",
    },
    units=("customers",),
    personal=frozenset({
        "customers.contactLastName", "customers.contactFirstName", "customers.phone", "customers.addressLine1",
        "customers.addressLine2", "employees.lastName", "employees.firstName", "employees.email", "offices.phone",
        "offices.addressLine1", "offices.addressLine2",
    }),
)  # fmt: skip

FORMULA1 = KnownSource(
    keys={
        "circuits": ("circuitId",), "constructor_results": ("constructorResultsId",),
        "constructor_standings": ("constructorStandingsId",), "constructors": ("constructorId",),
        "driver_standings": ("driverStandingsId",), "drivers": ("driverId",), "pit_stops": ("raceId", "driverId", "stop"),
        "qualifying": ("qualifyId",), "races": ("raceId",), "results": ("resultId",), "status": ("statusId",),
    },
    references={
        **{f"{name}.raceId": "races.raceId" for name in (
            "constructor_results", "constructor_standings", "driver_standings", "pit_stops", "qualifying", "results")},
        **{f"{name}.driverId": "drivers.driverId" for name in ("driver_standings", "pit_stops", "qualifying", "results")},
        **{f"{name}.constructorId": "constructors.constructorId" for name in (
            "constructor_results", "constructor_standings", "qualifying", "results")},
        "races.circuitId": "circuits.circuitId", "results.statusId": "status.statusId",
    },
    units=("drivers",),
    personal=frozenset({"drivers.forename", "drivers.surname", "drivers.dob", "drivers.driverRef"}),
)  # fmt: skip

_VISIT_TABLES = (
    "allergies", "careplans", "conditions", "devices", "imaging_studies", "immunizations", "medications", "procedures",
)  # fmt: skip

SYNTHEA = KnownSource(
    keys={
        "allergies": ("PATIENT", "CODE"), "careplans": ("Id",), "claims": ("Id",), "conditions": ("ENCOUNTER", "CODE"),
        "devices": ("PATIENT", "CODE"), "encounters": ("Id",), "imaging_studies": ("Id",),
        "immunizations": ("ENCOUNTER", "CODE"), "organizations": ("Id",), "patients": ("Id",), "payers": ("Id",),
        "payer_transitions": ("PATIENT", "START_YEAR"), "procedures": ("START", "PATIENT", "CODE"), "providers": ("Id",),
    },
    references={
        **{f"{name}.PATIENT": "patients.Id" for name in (*_VISIT_TABLES, "encounters", "payer_transitions")},
        **{f"{name}.ENCOUNTER": "encounters.Id" for name in _VISIT_TABLES},
        "claims.PATIENTID": "patients.Id", "claims.PROVIDERID": "providers.Id", "claims.SUPERVISINGPROVIDERID": "providers.Id",
        "claims.APPOINTMENTID": "encounters.Id", "claims.PRIMARYPATIENTINSURANCEID": "payers.Id",
        "encounters.PROVIDER": "providers.Id", "encounters.ORGANIZATION": "organizations.Id", "encounters.PAYER": "payers.Id",
        "medications.PAYER": "payers.Id", "payer_transitions.PAYER": "payers.Id", "payer_transitions.SECONDARY_PAYER": "payers.Id",
        "providers.ORGANIZATION": "organizations.Id",
    },
    units=("patients",),
    personal=frozenset({
        "organizations.ADDRESS", "organizations.PHONE", "patients.BIRTHDATE", "patients.SSN", "patients.DRIVERS",
        "patients.PASSPORT", "patients.FIRST", "patients.LAST", "patients.MAIDEN", "patients.ADDRESS",
        "payer_transitions.OWNERNAME", "payers.ADDRESS", "payers.PHONE", "providers.NAME", "providers.ADDRESS",
    }),
)  # fmt: skip

SAKILA = KnownSource(
    keys=RENTAL.keys,
    references={here: there for here, there in RENTAL.references.items() if here != "film.original_language_id"},
    units=("customer",),
    personal=RENTAL.personal | {"address.address2", "staff.picture", "staff.username", "staff.password"},
)

JAFFLE_SHOP = KnownSource(
    keys=dict.fromkeys(("raw_customers", "raw_orders", "raw_payments"), ("id",)),
    references={"raw_orders.user_id": "raw_customers.id", "raw_payments.order_id": "raw_orders.id"},
    units=("raw_customers",),
    personal=frozenset({"raw_customers.first_name", "raw_customers.last_name"}),
)

_EDITED_TABLES = (
    "Application.Cities", "Application.Countries", "Application.DeliveryMethods", "Application.People",
    "Application.StateProvinces", "Application.SystemParameters", "Application.TransactionTypes",
    "Purchasing.PurchaseOrderLines", "Purchasing.PurchaseOrders", "Purchasing.SupplierCategories",
    "Purchasing.SupplierTransactions", "Purchasing.Suppliers", "Sales Invoices_May", "Sales.BuyingGroups",
    "Sales.CustomerCategories", "Sales.Customers", "Sales.SpecialDeals", "Warehouse.Colors", "Warehouse.PackageTypes",
    "Warehouse.StockGroups", "Warehouse.StockItemHoldings", "Warehouse.StockItemStockGroups", "Warehouse.StockItems",
)  # fmt: skip
_PEOPLE, _CITIES = "Application.People.PersonID", "Application.Cities.CityID"
_METHODS, _PACKAGES = "Application.DeliveryMethods.DeliveryMethodID", "Warehouse.PackageTypes.PackageTypeID"
_ADDRESS_COLUMNS = ("DeliveryAddressLine1", "DeliveryAddressLine2", "PostalAddressLine1", "PostalAddressLine2")

IMPORTERS = KnownSource(
    keys={
        "Application.Cities": ("CityID",), "Application.Countries": ("CountryID",),
        "Application.DeliveryMethods": ("DeliveryMethodID",), "Application.People": ("PersonID",),
        "Application.StateProvinces": ("StateProvinceID",), "Application.SystemParameters": ("SystemParameterID",),
        "Application.TransactionTypes": ("TransactionTypeID",), "Purchasing.PurchaseOrderLines": ("PurchaseOrderLineID",),
        "Purchasing.PurchaseOrders": ("PurchaseOrderID",), "Purchasing.SupplierCategories": ("SupplierCategoryID",),
        "Purchasing.SupplierTransactions": ("SupplierTransactionID",), "Purchasing.Suppliers": ("SupplierID",),
        "Sales Invoices_May": ("InvoiceID",), "Sales.BuyingGroups": ("BuyingGroupID",),
        "Sales.CustomerCategories": ("CustomerCategoryID",), "Sales.Customers": ("CustomerID",),
        "Sales.SpecialDeals": ("SpecialDealID",), "Warehouse.ColdRoomTemperatures": ("ColdRoomTemperatureID",),
        "Warehouse.Colors": ("ColorID",), "Warehouse.PackageTypes": ("PackageTypeID",),
        "Warehouse.StockGroups": ("StockGroupID",), "Warehouse.StockItemHoldings": ("StockItemID",),
        "Warehouse.StockItemStockGroups": ("StockItemStockGroupID",), "Warehouse.StockItems": ("StockItemID",),
    },
    references={
        **{f"{name}.LastEditedBy": _PEOPLE for name in _EDITED_TABLES},
        "Application.Cities.StateProvinceID": "Application.StateProvinces.StateProvinceID",
        "Application.StateProvinces.CountryID": "Application.Countries.CountryID",
        "Application.SystemParameters.DeliveryCityID": _CITIES, "Application.SystemParameters.PostalCityID": _CITIES,
        "Purchasing.PurchaseOrderLines.PurchaseOrderID": "Purchasing.PurchaseOrders.PurchaseOrderID",
        "Purchasing.PurchaseOrderLines.StockItemID": "Warehouse.StockItems.StockItemID",
        "Purchasing.PurchaseOrderLines.PackageTypeID": _PACKAGES,
        "Purchasing.PurchaseOrders.SupplierID": "Purchasing.Suppliers.SupplierID",
        "Purchasing.PurchaseOrders.DeliveryMethodID": _METHODS, "Purchasing.PurchaseOrders.ContactPersonID": _PEOPLE,
        "Purchasing.SupplierTransactions.SupplierID": "Purchasing.Suppliers.SupplierID",
        "Purchasing.SupplierTransactions.TransactionTypeID": "Application.TransactionTypes.TransactionTypeID",
        "Purchasing.SupplierTransactions.PurchaseOrderID": "Purchasing.PurchaseOrders.PurchaseOrderID",
        "Purchasing.Suppliers.SupplierCategoryID": "Purchasing.SupplierCategories.SupplierCategoryID",
        "Purchasing.Suppliers.PrimaryContactPersonID": _PEOPLE, "Purchasing.Suppliers.AlternateContactPersonID": _PEOPLE,
        "Purchasing.Suppliers.DeliveryMethodID": _METHODS, "Purchasing.Suppliers.DeliveryCityID": _CITIES,
        "Purchasing.Suppliers.PostalCityID": _CITIES,
        "Sales Invoices_May.CustomerID": "Sales.Customers.CustomerID",
        "Sales Invoices_May.BillToCustomerID": "Sales.Customers.CustomerID",
        "Sales Invoices_May.DeliveryMethodID": _METHODS, "Sales Invoices_May.ContactPersonID": _PEOPLE,
        "Sales Invoices_May.AccountsPersonID": _PEOPLE, "Sales Invoices_May.SalespersonPersonID": _PEOPLE,
        "Sales Invoices_May.PackedByPersonID": _PEOPLE,
        "Sales.Customers.BillToCustomerID": "Sales.Customers.CustomerID",
        "Sales.Customers.CustomerCategoryID": "Sales.CustomerCategories.CustomerCategoryID",
        "Sales.Customers.BuyingGroupID": "Sales.BuyingGroups.BuyingGroupID",
        "Sales.Customers.PrimaryContactPersonID": _PEOPLE, "Sales.Customers.AlternateContactPersonID": _PEOPLE,
        "Sales.Customers.DeliveryMethodID": _METHODS, "Sales.Customers.DeliveryCityID": _CITIES,
        "Sales.Customers.PostalCityID": _CITIES,
        "Sales.SpecialDeals.BuyingGroupID": "Sales.BuyingGroups.BuyingGroupID",
        "Sales.SpecialDeals.StockGroupID": "Warehouse.StockGroups.StockGroupID",
        "Warehouse.StockItemHoldings.StockItemID": "Warehouse.StockItems.StockItemID",
        "Warehouse.StockItemStockGroups.StockItemID": "Warehouse.StockItems.StockItemID",
        "Warehouse.StockItemStockGroups.StockGroupID": "Warehouse.StockGroups.StockGroupID",
        "Warehouse.StockItems.SupplierID": "Purchasing.Suppliers.SupplierID",
        "Warehouse.StockItems.ColorID": "Warehouse.Colors.ColorID",
        "Warehouse.StockItems.UnitPackageID": _PACKAGES, "Warehouse.StockItems.OuterPackageID": _PACKAGES,
    },
    units=("Sales.Customers",),
    personal=frozenset({
        *(f"Application.People.{column}" for column in (
            "FullName", "PreferredName", "SearchName", "LogonName", "HashedPassword", "PhoneNumber", "FaxNumber", "EmailAddress")),
        *(f"{table}.{column}" for table in ("Application.SystemParameters", "Purchasing.Suppliers", "Sales.Customers")
          for column in _ADDRESS_COLUMNS),
        "Purchasing.Suppliers.BankAccountNumber", "Purchasing.Suppliers.PhoneNumber", "Purchasing.Suppliers.FaxNumber",
        "Sales Invoices_May.ReturnedDeliveryData", "Sales Invoices_May.ConfirmedReceivedBy", "Sales.Customers.CustomerName",
        "Sales.Customers.PhoneNumber", "Sales.Customers.FaxNumber",
    }),
)  # fmt: skip

ANSWERS = {
    "chinook": CHINOOK,
    "baseball": BASEBALL,
    "northwind": NORTHWIND,
    "classicmodels": CLASSICMODELS,
    "formula1": FORMULA1,
    "synthea": SYNTHEA,
    "sakila": SAKILA,
    "jaffle_shop": JAFFLE_SHOP,
    "importers": IMPORTERS,
}
