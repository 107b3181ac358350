"""Questions that show what the demo model can do."""

from __future__ import annotations

DEMO_QUESTIONS = (
    "How many orders were placed in March 2024?",
    "Which customers from Germany placed the most orders in 2024?",
    "What is the average price of products in the Books category?",
)
"""Those of ``make demo``."""

NO_ROWS_QUESTION = "Show the customers from Lisbon whose first name is Bruno"
"""Asked after them: there are none, so its SQL is revised, and the answer says that nothing was found."""

EXAMPLES = (
    *DEMO_QUESTIONS,
    "Show the 5 most expensive laptops",
    "How many customers live in Berlin?",
    "total revenue by country",
    "Which carrier has the most shipments?",
    "Top 3 customers by total spending in 2023",
    "Which products have never been reviewed?",
    "How many orders did Anna Weber place?",
    "Average rating per category, highest first",
    "Which suppliers are based in Italy?",
    "Customers with more than 9 orders",
    "How many units were sold per department in 2024?",
)
