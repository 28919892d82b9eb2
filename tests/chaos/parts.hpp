#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// What amc_chaos runs, one after another. Each prints what it does and its numbers, and throws `violation`.
namespace amc::chaos {

/// Brokers, services, PostgreSQL and servers of two queue engines under load, disturbed and moved from one to the
/// other.
void disturbed_cluster(std::chrono::seconds longest, std::uint64_t seed, const std::vector<std::string>& engines);

/// `amc all` on an SQLite file, on a disk that is full now and then. Does without where nothing can be mounted.
void small_disk(int rounds, std::uint64_t seed);

/// So many messages while no service is there for more than ten leases.
void backlog(int messages);

/// Brokers and services over servers that work together (scripts/test-cluster): each is killed, frozen and, where they
/// are `apart`, cut off under load; PostgreSQL is failed over. `count` of all that is done; 0: everything.
void clustered(const std::string& engine, std::size_t count, bool apart, std::uint64_t seed);

/// Before any thread is started: file systems mounted from now on are this process's own, and go with it.
void keep_mounts_private();

}  // namespace amc::chaos
