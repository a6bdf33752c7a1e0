"""Users, organizations, memberships, access tokens and the principal they yield."""
