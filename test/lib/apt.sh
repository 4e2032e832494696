# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced by those who fetch packages of Debian, checked against its signature, without installing them.

# apt_lists TYPE [SUITE]: in the current directory, lists of apt's own, for packages (deb) or sources (deb-src), of
# Debian 12 or another; the machine's need not name them, and stay as they are. A configuration, which the environment
# names to apt. No translations; and gz before xz, which takes three times as long to unpack.
apt_lists() {
    mkdir -p lists/partial cache/archives/partial
    cat >sources.list <<END_OF_LIST
$1 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian ${2-bookworm} main
END_OF_LIST
    cat >apt.conf <<END_OF_CONFIGURATION
quiet "1";
Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$PWD/lists";
Dir::Cache "$PWD/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Retries "5";
Acquire::Languages "none";
Acquire::CompressionTypes::Order:: "gz";
END_OF_CONFIGURATION
    APT_CONFIG=$PWD/apt.conf
    export APT_CONFIG
}

# apt_cpus ARCHITECTURE...: after apt_lists, packages of these CPUs: by a state of our own, too, since the
# machine's need know no CPU but its own
apt_cpus() {
    : >status
    {
        echo "Dir::State::status \"$PWD/status\";"
        echo "APT::Architecture \"$1\";"
        printf 'APT::Architectures:: "%s";\n' "$@"
    } >>apt.conf
}

# five_times WHAT COMMAND...: a mirror that does not answer is asked again, for some minutes
five_times() {
    what=$1
    shift
    for pause in 5 10 20 40 0; do
        ! "$@" || return 0
        sleep $pause
    done
    echo "no $what from deb.debian.org in five tries" >&2
    return 1
}
