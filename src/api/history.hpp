#pragma once

#include <string>
#include <vector>

#include "core/access.hpp"
#include "message_store/store.hpp"

/// What became of a message, as far as who asks may read the queues that its revisions were in.
namespace amc::api {

/// Why it failed. The attempts of a revision that no line of the history is about any more are for those who may read
/// every queue.
std::vector<attempt> attempts_for(const principal_ptr& by, const message& m);

/// In JSON: each revision, with what it said and its times, and what became of them, step by step. The row must be
/// there.
std::string history_for(const principal_ptr& by, const told_past& told);

}  // namespace amc::api
