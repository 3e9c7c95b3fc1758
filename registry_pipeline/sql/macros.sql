-- One macro per cleaning rule, loaded into every connection. The steps that use them stand in standardise.py.
-- What belongs here: rules that need one value (or a few of one row). What does not: rules over rows, and table names.
-- Regular expressions are RE2, and run only on the values that need them: a plain check comes first.

-- NHS numbers -------------------------------------------------------------------------------------------------------

-- A number without the blanks and hyphens that people write into it (3-3-4 is how it is displayed, ISB 0149).
CREATE OR REPLACE MACRO nhs_number_digits(text) AS
    CASE
        WHEN regexp_full_match(text, '[0-9]*') THEN text
        ELSE regexp_replace(text, '[-\s\x{00A0}\x{2000}-\x{2015}\x{202F}]', '', 'g')
    END;

-- Modulus 11 (NHS data dictionary): digits 1 to 9 with weights 10 to 2 and the check digit with weight 1 add up to a
-- multiple of 11. A check digit of 10 cannot be written, so such numbers fail as they must.
CREATE OR REPLACE MACRO nhs_number_check_digit_ok(digits) AS
    CASE WHEN regexp_full_match(digits, '[0-9]{10}') THEN list_transform(
        [digits::BIGINT],
        lambda n: (
            (n // 1000000000) * 10 + (n // 100000000 % 10) * 9 + (n // 10000000 % 10) * 8 + (n // 1000000 % 10) * 7
            + (n // 100000 % 10) * 6 + (n // 10000 % 10) * 5 + (n // 1000 % 10) * 4 + (n // 100 % 10) * 3
            + (n // 10 % 10) * 2 + n % 10
        ) % 11 = 0
    )[1] WHEN digits IS NOT NULL THEN false END;

-- Who may hold a number of ten digits, by the ranges in which the countries issue them; null where England, Wales and
-- the Isle of Man do. Numbers from 9000000000 are test data of the national demographics service.
CREATE OR REPLACE MACRO nhs_number_range_fault(digits, synthetic_allowed) AS
    CASE
        WHEN digits BETWEEN '4000000000' AND '4999999999' OR digits BETWEEN '6000000000' AND '7999999999' THEN NULL
        WHEN digits >= '9000000000' THEN CASE WHEN synthetic_allowed THEN NULL ELSE 'synthetic_range' END
        WHEN digits BETWEEN '0100000000' AND '3112999999' THEN 'scottish_chi_range'
        WHEN digits BETWEEN '3200000000' AND '3999999999' THEN 'northern_irish_range'
        WHEN digits BETWEEN '8000000000' AND '8599999999' THEN 'irish_range'
        ELSE 'never_issued'
    END;

-- The same as nhs_number_fault, for a value that nhs_number_digits has been through.
-- Ten digits alike and n00000000n pass Modulus 11: they are placeholders (0000000000 and 9999999999 are also what the
-- national matching service answers for "no match" and "several matches").
CREATE OR REPLACE MACRO nhs_number_digits_fault(digits, synthetic_allowed) AS
    CASE
        WHEN coalesce(digits, '') = '' THEN NULL
        WHEN NOT regexp_full_match(digits, '[0-9]{10}') THEN 'not_ten_digits'
        WHEN replace(digits, digits[1], '') = ''
            OR (digits[1] = digits[10] AND digits[2:9] = '00000000') THEN 'repeated_digits'
        WHEN NOT nhs_number_check_digit_ok(digits) THEN 'modulus_11'
        ELSE nhs_number_range_fault(digits, synthetic_allowed)
    END;

-- What is wrong with an NHS number as delivered; null where it is valid or empty.
CREATE OR REPLACE MACRO nhs_number_fault(text, synthetic_allowed) AS
    list_transform([nhs_number_digits(text)], lambda digits: nhs_number_digits_fault(digits, synthetic_allowed))[1];

-- Text --------------------------------------------------------------------------------------------------------------

-- Letters that are no base letter with a mark, so that strip_accents leaves them (Ł, Ø, ß, Æ, Đ, ı, Þ, ...), typographic
-- apostrophes, hyphens and blanks, and full-width letters, in ASCII. Scripts without Latin letters are kept as they are.
CREATE OR REPLACE MACRO fold_special_letters(text) AS
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(replace(replace(
        translate(
            regexp_replace(text, '[\x{00A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]', ' ', 'g'),
            'ŁłØøĐđÐðĦħıŊŋŦŧƁɓƊɗƉɖƏəƎǝƘƙƝɲƳƴŉĸſƗɨＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ０１２３４５６７８９’‘ʼʻʹ´ʾʿˈ′＇‐‑‒–—―−－',
            'LlOoDdDdHhiNnTtBbDdDdEeEeKkNnYynksIiABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789''''''''''''''''''''''--------'
        ),
    'ß', 'ss'), 'ẞ', 'SS'), 'Æ', 'AE'), 'æ', 'ae'), 'Œ', 'OE'), 'œ', 'oe'), 'Þ', 'TH'), 'þ', 'th'), 'Ĳ', 'IJ'),
    'ĳ', 'ij'), 'ﬀ', 'ff'), 'ﬁ', 'fi'), 'ﬂ', 'fl'), 'ﬅ', 'st'), 'ﬆ', 'st'), 'ǆ', 'dz'), 'Ǆ', 'DZ'), 'ǉ', 'lj'), 'Ǉ', 'LJ'),
    'ǌ', 'nj'), 'Ǌ', 'NJ');

-- Marks above and below letters go, but in scripts whose vowels and voicing are marks (from Devanagari to Tibetan and
-- Myanmar, Khmer, kana), where a name without them is another name.
CREATE OR REPLACE MACRO fold_marks(text) AS
    CASE
        WHEN regexp_matches(text, '[\x{0900}-\x{109F}\x{1780}-\x{17FF}\x{3040}-\x{30FF}]') THEN nfc_normalize(text)
        ELSE strip_accents(text)
    END;

-- Upper case with diacritics folded to ASCII, for comparison. ASCII text (bytes = characters) takes the short way.
CREATE OR REPLACE MACRO fold_text(text) AS
    CASE
        WHEN strlen(text) = length(text) THEN upper(text)
        WHEN regexp_full_match(text, '[\x{0001}-\x{007E}À-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ]*') THEN upper(strip_accents(text))
        ELSE upper(fold_special_letters(fold_marks(text)))
    END;
