#!/bin/sh
# One connection through the testbed, as tshark prints it: every packet on the fabric once, where it
# is received, with SIDs and nodes named. Usage: scripts/capture.sh [encap|insert]
set -eu
encoding=${1:-encap}
lbs=2 servers=3
dir=$(mktemp -d)
end() {
    srlb-testbed down >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

command -v srlb-testbed >/dev/null || {
    echo "capture.sh: no srlb-testbed in PATH; run 'make build' and add target/release to PATH" >&2
    exit 1
}
tab=$(printf '\t')
nodes="client edge"
for i in $(seq $lbs); do nodes="$nodes lb$i"; done
for i in $(seq $servers); do nodes="$nodes s$i"; done

# Names for tshark: nodes, and every function at every locator.
hosts=$dir/hosts
{
    echo "2001:db8:80::1 VIP"
    functions="0100:node 1000:connectAvail 1100:connectForce 1200:connectFinal 1800:recoverStickiness 1900:recoverFinal
               2000:ackStickiness 3000:createStickiness 3100:removeStickiness 3200:returnFlow 3300:recoverNext"
    for function in $functions; do
        for i in $(seq $lbs); do echo "fd00:1b:$i::${function%%:*} lb$i::${function#*:}"; done
        for i in $(seq $servers); do echo "fd00:5e:$i::${function%%:*} s$i::${function#*:}"; done
    done | sed 's/::0100 /::100 /'
} >"$hosts"

srlb-testbed up --lbs $lbs --servers $servers --encoding "$encoding" >/dev/null 2>&1
# the first connection learns neighbours
srlb-testbed exec client curl -6 -s -m 10 -o "$dir/body" 'http://[2001:db8:80::1]/'
echo "2001:db8:c::2 client" >>"$hosts"
for node in $nodes; do
    srlb-testbed exec "$node" timeout -s INT 4 tcpdump -q -U -Q in -i eth0 -w "$dir/$node.pcap" \
        "ip6 and not icmp6" 2>/dev/null &
done
sleep 1
srlb-testbed exec client curl -6 -s -m 10 -o "$dir/body" 'http://[2001:db8:80::1]/'
wait
# A line a packet: who receives it, source and destination (outer | inner), Segments Left, segment list, the rest.
for node in $nodes; do
    tshark -r "$dir/$node.pcap" -Y tcp -N n -H "$hosts" -T fields -E occurrence=a -E aggregator='|' \
        -e frame.time_epoch -e ipv6.src_host -e ipv6.dst_host -e ipv6.routing.segleft \
        -e ipv6.routing.srh.addr -e _ws.col.Info 2>/dev/null | sed "s/^/$node\t/"
done | sort -t"$tab" -k2,2n >"$dir/lines"
# tshark's segment lists are addresses: name them by the same hosts.
awk -F"$tab" -v hosts="$hosts" '
    BEGIN { while ((getline line < hosts) > 0) { split(line, part, " "); name[part[1]] = part[2] } }
    {
        list = ""; n = split($6, segment, "|")
        for (i = n; i > 0; i--) list = list (list == "" ? "" : ", ") (segment[i] in name ? name[segment[i]] : segment[i])
        route = $3 " > " $4
        if (split($3, from, "|") == 2) { split($4, to, "|"); route = from[1] " > " to[1] " | " from[2] " > " to[2] }
        if (list != "") list = " SRH(" list ") SL=" $5
        sub(/ Win=.*/, "", $7); gsub(/\[TCP [^]]*\] */, "", $7)
        printf "%-6s %s%s  %s\n", $1, route, list, $7
    }' "$dir/lines"
