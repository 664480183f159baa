#!/bin/sh
# Make every secret of an installation: deploy/secrets.sh FOLDER
# What is there already is kept. The folder is yours alone; the files in it are readable so that containers, which run
# as another user and see single files of it, can read theirs.
set -eu

folder=${1:?usage: deploy/secrets.sh FOLDER}
postgres_host=${POSTGRES_HOST:-postgres:5432}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() {
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

keep() {
    if [ ! -s "$folder/$1" ]; then
        printf '%s' "$2" >"$folder/$1"
    fi
    chmod 444 "$folder/$1"
}

for user in gateway ingest header preview quality astrometry calibration_stacker setup sys route; do
    keep "nats_${user}_password" "$(random)"
done
for name in postgres_password store_root_password grafana_password; do
    keep "$name" "$(random)"
done
for role in setup gateway ingest module stacker readonly; do
    keep "postgres_${role}_password" "$(random)"
    keep "postgres_${role}_dsn" \
        "postgresql://pictor_$role:$(cat "$folder/postgres_${role}_password")@$postgres_host/pictor"
done
for user in gateway module operator setup; do
    keep "s3_${user}_access_key" "pictor-$user-$(random | cut -c1-8)"
    keep "s3_${user}_secret_key" "$(random)"
done
keep store_root_user "root-$(random | cut -c1-8)"
