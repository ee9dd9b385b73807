#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup.sh FOLDER: a real Elasticsearch out of jars from Maven Central, once; needs mvn and a JDK 17. About a minute.
# The jars are under the Elastic, SSPL or AGPL licences: for tests, never to be passed on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
mkdir -p "$build"
# Several test files may want it at the same time.
exec 9>"$build.lock"
flock 9
# What is there was made of the same recipe.
recipe=$(cat "$here/setup.sh" "$here/pom.xml" "$here"/java/*.java | sha1sum | cut -d' ' -f1)
[ "$(cat "$build/ready" 2>/dev/null)" != "$recipe" ] || exit 0

rm -rf "$build"
mkdir -p "$build"/{jars,classes/node,classes/root,native} "$build"/home/{modules,config}
for profile in lib transport-netty4; do
  mvn -B -q -f "$here/pom.xml" "-P$profile" dependency:copy-dependencies "-DoutputDirectory=$build/jars/$profile"
done
mv "$build/jars/lib" "$build/lib"
version=$(basename "$build"/lib/elasticsearch-[0-9]*.jar .jar)
version=${version#elasticsearch-}

# A module gets what the core does not have, and no second logger.
module=$build/home/modules/transport-netty4
mkdir -p "$module" "$build/home/modules/root-endpoint"
for jar in "$build"/jars/transport-netty4/*.jar; do
  name=$(basename "$jar")
  case $name in slf4j-* | log4j-slf4j2-*) continue ;; esac
  [ -e "$build/lib/$name" ] || cp "$jar" "$module/"
done

javac -nowarn -cp "$build/lib/*" -d "$build/classes/root" "$here/java/RootEndpoint.java"
jar cf "$build/home/modules/root-endpoint/root-endpoint.jar" -C "$build/classes/root" .
javac -nowarn -cp "$build/lib/*" -d "$build/classes/node" "$here/java/EsNode.java"
jar cf "$build/lib/es-node.jar" -C "$build/classes/node" .

# describe NAME CLASS
describe() {
  cat >"$build/home/modules/$1/plugin-descriptor.properties" <<END
description=$1
version=$version
name=$1
classname=$2
java.version=17
elasticsearch.version=$version
has.native.controller=false
END
}
describe transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin
describe root-endpoint estest.RootEndpoint
: >"$build/home/config/elasticsearch.yml"
cat >"$build/home/config/log4j2.properties" <<'END'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
END
# index.codec=best_compression is zstd where its library can be loaded.
for library in /usr/lib/*/libzstd.so.1; do
  [ -e "$library" ] && ln -sf "$library" "$build/native/libzstd.so" && break
done
rm -rf "$build/jars" "$build/classes"

# A start that is thrown away writes an archive of its classes: later ones take a third less CPU.
(cd "$build" && java -Xms256m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Des.train=true \
  -XX:ArchiveClassesAtExit=es.jsa "-Djava.library.path=$build/native" "-Des.nativelibs.path=$build/native" \
  -Djna.nosys=true -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true \
  -Dio.netty.recycler.maxCapacityPerThread=0 -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true \
  -Xshare:auto -cp "$(printf '%s:' lib/*.jar)" EsNode home train http.port=0 transport.port=0 \
  network.host=127.0.0.1 discovery.type=single-node "path.data=$build/train" "path.logs=$build/train") \
  >"$build/train.log" 2>&1 || true
rm -rf "$build/train"
printf '%s' "$recipe" >"$build/ready"
