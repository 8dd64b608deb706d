"""Reading and authenticating against LDAP directories and Active Directory."""
