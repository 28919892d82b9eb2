#pragma once

#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// Queues in this process's memory: no server, no disk. The store rings everything again after a restart.
std::shared_ptr<platform> make_embedded();

}  // namespace amc::queue_system
