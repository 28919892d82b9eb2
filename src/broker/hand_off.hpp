#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/message.hpp"
#include "core/work.hpp"

namespace amc::broker {

/// A revision on its way into the store. To be kept until its outcome is known; nothing became of it where that was
/// never told.
class arrival {
 public:
  virtual ~arrival() = default;
  /// The number of the claim that it is to be stored under, for a receiver; nothing: it waits for somebody.
  virtual std::optional<std::int64_t> claim() const = 0;
  /// Who will hold that claim, as far as it told.
  virtual std::string holder() const = 0;
  /// It stands in the store; the row has its text.
  virtual void stored(const row& now) = 0;
  /// It may stand there.
  virtual void perhaps_stored(const uuid& id, int revision) = 0;
};

/// Who has work for what arrives in a queue. For one thread.
class hand_off {
 public:
  virtual ~hand_off() = default;
  /// A revision is about to be stored that may be worked on at once. `may_be_claimed`: it may go to somebody who waits
  /// for it, already claimed.
  virtual std::unique_ptr<arrival> arrives(const std::string& queue, std::size_t text_bytes, bool may_be_claimed) = 0;
  /// Something that was claimed waits in this queue again.
  virtual void opened(const std::string& queue) = 0;
  /// What was given out under this claim has had an outcome.
  virtual void settled(const claimed& what) = 0;
  virtual void extended(const claimed& what, milliseconds lease) = 0;
};

}  // namespace amc::broker
