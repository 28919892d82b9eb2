#include "queue_system/kafka/membership.hpp"

namespace amc::queue_system::kafka {

membership::membership(const kafka_options& options, const std::string& group, std::string member)
    : member_(std::move(member)) {
  try {
    link_.emplace(options, client::unreached());
  } catch (const unavailable&) {
    return;  // not covered: takes certificates that have gone since the member was made
  }
  std::unique_ptr<rd_kafka_AdminOptions_t, destroyed_by<rd_kafka_AdminOptions_destroy>> how(
      rd_kafka_AdminOptions_new(link_->handle(), RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS));
  const auto patience = static_cast<int>(options.answer_timeout.count());
  rd_kafka_AdminOptions_set_request_timeout(how.get(), patience, nullptr, 0);
  const char* one = group.c_str();
  rd_kafka_DescribeConsumerGroups(link_->handle(), &one, 1, how.get(), link_->queue());
}

membership::answer membership::heard() {
  if (!link_) return answer::unknown;
  try {
    while (const auto what = link_->next(milliseconds(0)))
      if (rd_kafka_event_type(what.get()) == RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT) return answer_in(what);
  } catch (const unavailable&) {
    // not covered: takes servers that go while they are asked; amc_chaos kills some
    return answer::unknown;
  }
  return answer::awaited;
}

membership::answer membership::answer_in(const event& what) const {
  if (rd_kafka_event_error(what.get())) return answer::unknown;
  std::size_t count = 0;
  const auto** groups =
      rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(what.get()), &count);
  if (count == 0 || rd_kafka_ConsumerGroupDescription_error(groups[0])) return answer::unknown;
  for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(groups[0]); ++i)
    if (member_ == rd_kafka_MemberDescription_consumer_id(rd_kafka_ConsumerGroupDescription_member(groups[0], i)))
      return answer::has;
  return answer::has_not;
}

}  // namespace amc::queue_system::kafka
