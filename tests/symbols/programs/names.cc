// C++: every kind of name, out of line and inlined.
//
// EXPECT free: free_function(int, char const*) @free
// EXPECT static: static_function(unsigned long) @static
// EXPECT anonymous: (anonymous namespace)::hidden(int*) @anonymous
// EXPECT anonymous-inlined: (anonymous namespace)::hidden_inline(int const*, std::vector<int, std::allocator<int> >&) @anonymous-inlined < calls_hidden_inline() @calls
// EXPECT static-inlined: static_inline(char const*, unsigned char, bool) @static-inlined < calls_static_inline() @calls-static
// EXPECT template: int ns::twice<int>(int) @template
// EXPECT method: ns::Box<char>::put(char) @method
// EXPECT const-method: ns::Box<char>::get() const @const-method
// EXPECT constructor: ns::Box<char>::Box(int) @constructor
// EXPECT destructor: ns::Box<char>::~Box() @destructor
// EXPECT operator: ns::operator+(ns::Box<char> const&, ns::Box<char> const&) @operator
// EXPECT conversion: ns::Box<char>::operator int() const @conversion
// EXPECT static-method: ns::Box<char>::make() @static-method
// EXPECT lambda: /main::(\{lambda\(int\)(#1)?\}|\$_0)::operator\(\)\(int\) const/ @lambda
// EXPECT local-class: /main(\(.*\))?::Local::go\(\)/ @local-class
// EXPECT virtual: Derived::act(double) @virtual
// EXPECT extern-c: extern_c @extern-c
// EXPECT inlined-method: Point::sum() const @sum < Point::twice() const @twice < calls_point(Point const&) @calls-point
// EXPECT main: main @main
#include "probe.h"

#include <vector>

NEVER_INLINE void free_function(int, const char *)
{
	probe("free"); // @free
	STAY;
}

static NEVER_INLINE void static_function(unsigned long)
{
	probe("static"); // @static
	STAY;
}

namespace
{
NEVER_INLINE void hidden(int *)
{
	probe("anonymous"); // @anonymous
	STAY;
}

ALWAYS_INLINE void hidden_inline(const int *, std::vector<int> &)
{
	probe("anonymous-inlined"); // @anonymous-inlined
	STAY;
}
} // namespace

NEVER_INLINE void calls_hidden_inline()
{
	std::vector<int> v;
	hidden_inline(nullptr, v); // @calls
	STAY;
}

static ALWAYS_INLINE void static_inline(const char *, unsigned char, bool)
{
	probe("static-inlined"); // @static-inlined
	STAY;
}

NEVER_INLINE void calls_static_inline()
{
	static_inline("", 1, true); // @calls-static
	STAY;
}

namespace ns
{
template <typename T> NEVER_INLINE T twice(T t)
{
	probe("template"); // @template
	STAY;
	return t + t;
}

template <typename T> struct Box {
	T t;
	NEVER_INLINE Box(int n) : t(T(n))
	{
		if (n == 77)
			probe("constructor"); // @constructor
		STAY;
	}
	NEVER_INLINE ~Box()
	{
		if (t == 77)
			probe("destructor"); // @destructor
		STAY;
	}
	NEVER_INLINE void put(T n)
	{
		probe("method"); // @method
		STAY;
		t = n;
	}
	NEVER_INLINE T get() const
	{
		probe("const-method"); // @const-method
		STAY;
		return t;
	}
	NEVER_INLINE operator int() const
	{
		probe("conversion"); // @conversion
		STAY;
		return t;
	}
	static NEVER_INLINE Box make()
	{
		probe("static-method"); // @static-method
		STAY;
		return Box(1);
	}
};

NEVER_INLINE int operator+(const Box<char> &a, const Box<char> &b)
{
	probe("operator"); // @operator
	STAY;
	return a.t + b.t;
}
} // namespace ns

struct Base {
	virtual ~Base() = default;
	virtual void act(double) = 0;
};

struct Derived : Base {
	NEVER_INLINE void act(double) override
	{
		probe("virtual"); // @virtual
		STAY;
	}
};

extern "C" NEVER_INLINE void extern_c()
{
	probe("extern-c"); // @extern-c
	STAY;
}

struct Point {
	int x, y;
	ALWAYS_INLINE int sum() const
	{
		probe("inlined-method"); // @sum
		STAY;
		return x + y;
	}
	ALWAYS_INLINE int twice() const
	{
		return 2 * sum(); // @twice
	}
};

NEVER_INLINE int calls_point(const Point &p)
{
	return p.twice() + 1; // @calls-point
}

int main()
{
	struct Local {
		NEVER_INLINE void go()
		{
			probe("local-class"); // @local-class
			STAY;
		}
	};
	auto lambda = [](int n) NEVER_INLINE {
		probe("lambda"); // @lambda
		STAY;
		return n;
	};
	Derived derived;
	Base *volatile base = &derived;

	free_function(1, "");
	static_function(1);
	hidden(nullptr);
	calls_hidden_inline();
	calls_static_inline();
	ns::twice(2);
	{
		ns::Box<char> box(77), other = ns::Box<char>::make();
		box.put(77);
		box.get();
		static_cast<void>(box + other);
		static_cast<void>(static_cast<int>(box));
	}
	lambda(3);
	Local().go();
	base->act(1.5);
	extern_c();
	calls_point(Point{1, 2});
	probe("main"); // @main
	STAY;
	return 0;
}
