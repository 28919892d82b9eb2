#pragma once

#include <cstddef>

namespace amc::http {

/// How many bytes several may hold at once. For one thread; outlives its shares.
class byte_budget {
 public:
  explicit byte_budget(std::size_t max) : max_(max) {}

  std::size_t held() const { return held_; }
  bool is_full() const { return held_ >= max_; }

  /// What one of them holds, until it is destroyed.
  class share {
   public:
    explicit share(byte_budget& of) : of_(of) {}
    ~share() { of_.held_ -= bytes_; }
    share(const share&) = delete;
    share& operator=(const share&) = delete;

    /// Holds so many in all; false, and as before, where the others leave no room. Whoever is alone gets any number.
    bool hold(std::size_t bytes) {
      const auto others = of_.held_ - bytes_;
      if (bytes > bytes_ && others > 0 && others + bytes > of_.max_) return false;
      hold_anyway(bytes);
      return true;
    }
    void hold_anyway(std::size_t bytes) {
      of_.held_ += bytes - bytes_;
      bytes_ = bytes;
    }

   private:
    byte_budget& of_;
    std::size_t bytes_ = 0;
  };

 private:
  std::size_t max_;
  std::size_t held_ = 0;
};

}  // namespace amc::http
