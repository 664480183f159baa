#!/bin/sh
# The bucket of the frames, and a key that can use this bucket and no other.
set -eu

bucket=${BUCKET:?}
export MC_CONFIG_DIR=/tmp/mc
secret() { cat "/run/secrets/$1"; }

mc alias set store http://store:9000 "$(secret store_root_user)" "$(secret store_root_password)" >/dev/null
mc mb --ignore-existing "store/$bucket"
cat >/tmp/policy.json <<JSON
{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
     "Resource": ["arn:aws:s3:::$bucket"]},
    {"Effect": "Allow",
     "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts", "s3:GetObjectTagging", "s3:PutObjectTagging"],
     "Resource": ["arn:aws:s3:::$bucket/*"]}
  ]
}
JSON
mc admin user add store "$(secret s3_access_key)" "$(secret s3_secret_key)"
mc admin policy create store pictor /tmp/policy.json
mc admin policy attach store pictor --user "$(secret s3_access_key)" || mc admin user info store "$(secret s3_access_key)"
