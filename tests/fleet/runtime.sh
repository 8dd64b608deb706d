#!/bin/sh
# An OCI runtime that asks for no right which the machine itself does not have; else nothing privileged would start.
before=
for word in "$@"; do
  [ "$before" = --bundle ] && sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$word/config.json"
  before=$word
done
exec runc "$@"
