#!/usr/bin/env bash
# Compiles the app's resources and manifest with aapt against the framework's own, and writes R.java for the Maven build:
# unknown attributes, styles and references fail here. The Android Gradle plugin does the same with newer tools.
# From AARs that tests run with it takes the classes.
# Usage: resources.sh FRAMEWORK_JAR [AAR...]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
framework="${1:?the jar of android-all}"
shift
target="$here/target/resources"

if ! command -v aapt >/dev/null; then
  apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends aapt
fi
rm -rf "$target"
mkdir -p "$target/java"
# Gradle takes these from its own files and wants them nowhere else.
sed -e 's#<manifest #&package="dev.loam.sample.app" #' \
  -e 's#<uses-permission#<uses-sdk android:minSdkVersion="24" android:targetSdkVersion="35" />\n    &#' \
  "$here/src/main/AndroidManifest.xml" >"$target/AndroidManifest.xml"
aapt package -f -M "$target/AndroidManifest.xml" -S "$here/src/main/res" -I "$framework" -J "$target/java" \
  -F "$target/resources.apk"

for aar in "$@"; do
  name="$(basename "$aar" .aar)"
  unzip -q -p "$aar" classes.jar >"$target/${name%-[0-9]*}.jar"
done
