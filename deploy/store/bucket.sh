#!/bin/sh
# The bucket of the frames, and a key for each class of services: none of them can use another bucket, and no worker's
# key can change or delete raw bytes.
set -eu

bucket=${BUCKET:?}
export MC_CONFIG_DIR=/tmp/mc
secret() { cat "/run/secrets/$1"; }

mc alias set store http://store:9000 "$(secret store_root_user)" "$(secret store_root_password)" >/dev/null
mc mb --ignore-existing "store/$bucket"

# One user, its policy: its name, then what it may do besides finding the bucket and reading objects.
user() {
    cat >"/tmp/$1.json" <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": ["arn:aws:s3:::$bucket"]},
    {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::$bucket"]},
    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::$bucket/*"]}$2
  ]
}
JSON
    mc admin user add store "$(secret "s3_$1_access_key")" "$(secret "s3_$1_secret_key")"
    mc admin policy create store "pictor-$1" "/tmp/$1.json"
    mc admin policy attach store "pictor-$1" --user "$(secret "s3_$1_access_key")" ||
        mc admin user info store "$(secret "s3_$1_access_key")"
}

# Writing below the given folders, deleting included. Abort and list belong to uploads in parts.
write() {
    printf ',\n    {"Effect": "Allow",\n     "Action": ["s3:PutObject", "s3:DeleteObject", '
    printf '"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],\n     "Resource": ['
    comma=""
    for folder in "$@"; do
        printf '%s"arn:aws:s3:::%s/%s/*"' "$comma" "$bucket" "$folder"
        comma=", "
    done
    printf ']}'
}

# HEAD of the bucket, which says whether the store answers, needs ListBucket here: MinIO has no right for it alone.
user gateway "$(write raw products)"
user module "$(write products)"
user operator "$(write raw products)"
user setup ""
