#!/usr/bin/env bash
# Packs the Android artifact into target/aar and publishes it into target/maven.
#
# With ANDROID_NDK_HOME and cargo-ndk the native libraries are built and put in. Without them everything else is packed into a
# file whose name says that it has none, under a classifier of that name: it compiles apps, and cannot run them.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
version=0.1.0
out="$here/target/aar"
tree="$out/tree"
classes="$here/android/target/loam-android-classes.jar"

cd "$here"
# Tests of the Android sources run in build.sh, beside the others.
mvn --quiet --batch-mode --projects android -DskipTests package
rm -rf "$out"
mkdir -p "$tree"
cp android/aar/AndroidManifest.xml android/aar/proguard.txt "$tree/"
cp "$classes" "$tree/classes.jar"
# A library without resources still has to say so.
: >"$tree/R.txt"

if [[ -n "${ANDROID_NDK_HOME:-}" ]] && command -v cargo-ndk >/dev/null; then
  (cd "$root" &&
    cargo ndk --target arm64-v8a --target x86_64 --platform 24 --output-dir "$tree/jni" \
      build --release --package loam-ffi --lib)
  strip="$(echo "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin/llvm-strip)"
  for library in "$tree"/jni/*/*.so; do "$strip" --strip-unneeded "$library"; done
  ./check-alignment.sh "$tree"/jni/*/*.so
  name="loam-android-$version.aar"
  classifier=()
else
  echo "aar.sh: no NDK (ANDROID_NDK_HOME and cargo-ndk), so the AAR is without its native libraries and cannot run" >&2
  name="loam-android-$version-without-native.aar"
  classifier=(-Dclassifier=without-native)
fi

(cd "$tree" && jar --create --no-manifest --file "$out/$name" .)
mvn --quiet --batch-mode org.apache.maven.plugins:maven-deploy-plugin:3.1.4:deploy-file \
  -DpomFile="$here/android/aar/loam-android.pom" -Dfile="$out/$name" -Dpackaging=aar "${classifier[@]}" \
  -DrepositoryId=loam -Durl="file://$here/target/maven"
echo "$out/$name: $(du -h "$out/$name" | cut -f1)"
