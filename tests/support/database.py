"""The operator's connection, as the fixtures hand it out."""

import psycopg

Connection = psycopg.Connection[dict]
