#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amc::simulation {

/// What the messages of a simulation say: "NUMBER NATURE>PLAN: TOKEN TOKEN…", without that space. The plan's first
/// letter names the queue that the message waits in; whoever answers takes the letter off and adds a token of its own,
/// "LETTER-WHO.RUN". So the text of a finished message tells who has answered it, in which run, and whether anybody did
/// twice.
///
/// Who edits one leaves what it says so far, cures its nature, and gives it another plan: the token for that is
/// "ePLAN-WHO.RUN".
///
/// Some say the same as a JSON value, a list of that one text.
///
/// The nature is what a message does to who handles it: nothing, as a rule.
constexpr char poisonous = 'p';   ///< kills its service
constexpr char failing = 'f';     ///< fails always
constexpr char capricious = 'g';  ///< fails now and then
constexpr char hopeless = 'h';    ///< fails for good
constexpr char large = 'l';       ///< nothing, but there is much of it
constexpr char unfit = 'x';       ///< nothing: no store can take it
constexpr char spoiling = 'y';    ///< makes its handler answer with what no store can take

/// The first letter of an edit's token.
constexpr char by_edit = 'e';

struct wording {
  int number = 0;
  std::string nature;
  std::string plan;
  std::vector<std::string> tokens;
  bool is_value = false;
};

/// Whether a message with this nature harms nobody, itself included.
bool harmless(std::string_view nature);

/// Whether a handler says that it has failed for good.
bool is_for_good(std::string_view reason);

/// Whether the store of this world cannot take a text.
bool is_unfit(std::string_view text);

/// Of a value its JSON.
bool is_value(std::string_view text);
boost::json::value said_in_json(const std::string& text);
/// The reverse. A value that comes as the text of its JSON is another message.
std::string text_of(const boost::json::value& said);

std::optional<wording> read(std::string_view text);
std::string write(const wording& what);
/// Empty where there is none.
std::string last_token_of(std::string_view text);
bool has_token(std::string_view text, const std::string& token);

/// What the token does to a text; false where it cannot stand there.
bool follow(wording& what, const std::string& token);

/// The next text, as edited by `who` in its run `run`: this is to be done with it from now on.
std::string edited(std::string_view text, std::string_view plan, std::string_view who, int run);

/// The next text, as answered by `who` in its run `run`.
std::string answered(std::string_view text, std::string_view who, int run);

}  // namespace amc::simulation
