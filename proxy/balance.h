// The arithmetic of `hash KEY [consistent]`: keys, draws and scores that are equal in every worker,
// process and host of the same configuration (XXH3, which unlike std::hash is stable). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast::proxy {

// What a KEY's text stands for. nullopt for an empty one: it names nobody, and the choice goes
// round as without `hash` (nginx does the same).
std::optional<uint64_t> balance_key(std::string_view text);

// A server's own number, by the name it is configured with: where it stands in the list, and which
// address the name resolves to today, do not matter.
uint64_t balance_server(std::string_view text);

// A fresh draw for the same key: `hash` without consistent moves on to the next when the server
// drawn is not to be had.
uint64_t draw(uint64_t key, unsigned attempt);

// Weighted rendezvous hashing (highest random weight): of all servers the one with the highest
// score has the key. A server that comes takes its share from all the others alike, one that goes
// gives its keys to all the others alike, and no other key moves. REQUIRES: weight > 0
double rendezvous_score(uint64_t key, uint64_t server, int weight);

}  // namespace holdfast::proxy
