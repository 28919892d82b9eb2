#pragma once

#include <string>
#include <string_view>

namespace amc::queue_system::nats {

/// A text of any bytes as one word of a subject, which may also name a stream or a consumer (and so a file): what is
/// not of A-Z a-z 0-9 _ - becomes "=2E", and of what is too long then, the begin and its SHA-256. No two texts have one
/// word. The empty text has the empty word.
std::string word_for(std::string_view text);

/// Where the events of a queue are.
struct place {
  std::string stream;    ///< of all the queues with this prefix
  std::string consumer;  ///< durable, of this queue
  std::string subject;
};

/// The stream of a prefix, and every subject that it takes.
std::string stream_for(std::string_view prefix);
std::string subjects_of(const std::string& stream);
place place_of(std::string_view prefix, std::string_view queue);
/// Where events of it are asked for.
std::string pull_subject(const place& of);

}  // namespace amc::queue_system::nats
