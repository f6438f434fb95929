#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# sbom.sh PACKAGE VERSION EPOCH VENDOR_FOLDER PROGRAM...: what a Debian package of ours is made of, as
# SPDX 2.3 in JSON: its programs with their digests, as they are once stripped, the libraries that they
# load, each as the Debian package and version that it was built with, and the scripts of the vendor
# folder ("-" for none). The same input gives the same bytes.
set -eu

package=$1 version=$2 epoch=$3 vendor=$4
shift 4
# shellcheck source=/dev/null
distribution=$(. /etc/os-release && echo "$ID-$VERSION_ID")
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT

# name, version and architecture of each Debian package whose libraries the programs load.
libraries() {
	for program; do
		readelf --dynamic --wide "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
			while read -r library; do
				# Its folder and name: packages do not know that /lib is /usr/lib.
				ldd "$program" | sed -n "s,.* => .*\(/[^/]*/$library\) .*,\1,p"
			done
	done | sort -u | while read -r library; do
		dpkg-query --search "*$library" | sed -n '1s/[,:].*//p'
	done | sort -u | xargs dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' |
		sort -u
}

programs() {
	for program; do
		strip -o "$stripped" "$program"
		printf '%s\t%s\n' "${program##*/}" "$(sha256sum "$stripped" | cut -d ' ' -f 1)"
	done
}

vendored() {
	[ "$vendor" = - ] || sed -n '1s/^# \([^ ]*\) \([0-9.]*\) of npm.*/\1\t\2/p' "$vendor/SHA256SUMS"
}

jq --null-input --sort-keys \
	--arg package "$package" --arg version "$version" --arg distribution "$distribution" \
	--arg created "$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" \
	--arg libraries "$(libraries "$@")" --arg programs "$(programs "$@")" --arg vendored "$(vendored)" \
	--arg digest "$({ libraries "$@"; programs "$@"; vendored; } | sha256sum | cut -c 1-32)" '
def rows: split("\n") | map(select(. != "") | split("\t"));
def id: "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-");
def escaped: gsub("\\+"; "%2B") | gsub(":"; "%3A");
def package($name; $version; $supplier; $license; $purl): {
	SPDXID: ("Package-" + $name | id), name: $name, versionInfo: $version, supplier: $supplier,
	licenseDeclared: $license, licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION",
	downloadLocation: "NOASSERTION", filesAnalyzed: false,
	externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $purl}]};
def relation($from; $kind; $to): {spdxElementId: $from, relationshipType: $kind, relatedSpdxElement: $to};

($libraries | rows) as $libraries | ($programs | rows) as $programs | ($vendored | rows) as $vendored
| package($package; $version; "Organization: intaked"; "Apache-2.0";
	"pkg:deb/intaked/\($package)@\($version | escaped)") as $self
| ($libraries | map(package(.[0]; .[1]; "Organization: Debian"; "NOASSERTION";
	"pkg:deb/debian/\(.[0])@\(.[1] | escaped)?arch=\(.[2])&distro=\($distribution)"))) as $loaded
| ($vendored | map(package(.[0]; .[1]; "NOASSERTION"; "MIT"; "pkg:npm/\(.[0])@\(.[1])"))) as $contained
| {
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
	name: "\($package)_\($version)",
	documentNamespace: "urn:intaked:sbom:\($package):\($version):\($digest)",
	creationInfo: {created: $created, creators: ["Organization: intaked"]},
	packages: ([$self] + $loaded + $contained),
	files: ($programs | map({
		SPDXID: ("File-" + .[0] | id), fileName: ("./" + .[0]), fileTypes: ["BINARY"],
		checksums: [{algorithm: "SHA256", checksumValue: .[1]}],
		licenseConcluded: "Apache-2.0", copyrightText: "NOASSERTION"})),
	relationships: (
		[relation("SPDXRef-DOCUMENT"; "DESCRIBES"; $self.SPDXID)]
		+ ($programs | map(relation($self.SPDXID; "CONTAINS"; "File-" + .[0] | id)))
		+ ($loaded | map(relation($self.SPDXID; "DYNAMIC_LINK"; .SPDXID)))
		+ ($contained | map(relation($self.SPDXID; "CONTAINS"; .SPDXID))))
}'
