#!/bin/sh
# Installs the packages that lie beside it; the folders that are volumes later get their owner from here.
set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d  # nothing is started while it is built
chmod 0755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null install -y --no-install-recommends \
    /build/packages/*.deb
rm -rf /build/packages /usr/sbin/policy-rc.d /var/cache/apt/* /var/cache/debconf/* /var/log/* /usr/share/doc/* /usr/share/man/*
# Made anew by each build, a private key among it.
rm -rf /var/cache/ldconfig /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
find /etc/ssl/certs -lname ssl-cert-snakeoil.pem -delete
id sandbox >/dev/null 2>&1 || useradd --uid 1000 --user-group --create-home --shell /bin/sh sandbox
chage --lastday -1 sandbox  # the day is no part of it
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow-
install -d -o sandbox -g sandbox -m 0700 /var/lib/sandbox
install -d -o sandbox -g sandbox -m 0755 /run/sandbox /run/sandbox/postgres
