static ALWAYS_INLINE void from_header(void)
{
	STAY;
	probe("header"); /* @header.h */
	STAY;
}
