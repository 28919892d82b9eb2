#pragma once

#include <map>
#include <sstream>

#include "access/identity.hpp"

namespace amc::tests {

/// Knows who asks by `Authorization: Bearer NAME`, for tests that are about what they may.
class known_by_name : public access::identity {
 public:
  /// "send:orders read:team-*"; the same name again: from now on.
  void add(const std::string& name, const std::string& rights) {
    auto who = std::make_shared<principal>();
    who->name = who->credential = name;
    std::istringstream words(rights);
    for (std::string word; words >> word;) {
      const auto colon = word.find(':');
      who->queues[static_cast<std::size_t>(parse_right(word.substr(0, colon)).value())].add(word.substr(colon + 1));
    }
    all_[name] = std::move(who);
  }
  void remove(const std::string& name) { all_.erase(name); }

  result<principal_ptr> identify(const http::request& asked, const http::peer&) override {
    const auto field = asked.headers.find("Authorization").value_or("Bearer ");
    const auto found = all_.find(field.substr(std::string_view("Bearer ").size()));
    if (found == all_.end()) return error{errc::unidentified, "nobody"};
    return found->second;
  }
  principal_ptr again(const principal& known) const override {
    const auto found = all_.find(known.name);
    return found == all_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, principal_ptr> all_;
};

}  // namespace amc::tests
