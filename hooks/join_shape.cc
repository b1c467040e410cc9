#include "hooks/join_shape.h"

#include <algorithm>

namespace sandbox_run::hooks {

Shape shape_of(const JoinPoint& at) {
  switch (at.kind) {
    case JoinPoint::Kind::call:
      return {.call = true};
    case JoinPoint::Kind::literal:
      return {.literal = true};
    case JoinPoint::Kind::all_of:
    case JoinPoint::Kind::any_of: {
      Shape shape, restrictions;
      for (const JoinPoint& part : at.parts) {
        Shape one = shape_of(part);
        bool restricts = at.kind == JoinPoint::Kind::all_of && !one.call && !one.literal;
        (restricts ? restrictions : shape).function |= one.function;
        shape.call |= one.call;
        shape.literal |= one.literal;
      }
      if (!shape.call && !shape.literal) shape.function |= restrictions.function;
      return shape;
    }
    case JoinPoint::Kind::negation:
      return shape_of(at.parts[0]).call ? Shape{.call = true} : Shape{};
    case JoinPoint::Kind::function:
    case JoinPoint::Kind::package:
    case JoinPoint::Kind::module:
    case JoinPoint::Kind::receiver:
    case JoinPoint::Kind::signature:
    case JoinPoint::Kind::directive:
      return {.function = true};
  }
  return {};
}

bool only_negative(const JoinPoint& at) {
  if (at.kind == JoinPoint::Kind::negation) return true;
  if (at.kind == JoinPoint::Kind::all_of) return std::all_of(at.parts.begin(), at.parts.end(), only_negative);
  if (at.kind == JoinPoint::Kind::any_of) return std::any_of(at.parts.begin(), at.parts.end(), only_negative);
  return false;
}

}  // namespace sandbox_run::hooks
