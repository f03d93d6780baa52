"""The workflow part of the GraphQL schema. The mixins are joined with the other apps' in circuit_breaker/schema.py."""
